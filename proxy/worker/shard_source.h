// ShardSource: where a worker knows from what to consume. There are three, each in a file of its own:
//
//   AssignedShards   a coordinator said so (assigned_shards.h)
//   LookedUpShards   seen in the management API, and shared with other workers by a rule (looked_up_shards.h)
//   ProbedShards     those of the own node that can be declared passively (probed_shards.h)
//
// A source lives as long as it is the one that counts: nothing is heard of it once it is dropped. Which one counts is
// decided in session.h.
//
// Threads: everything on the worker's executor.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "proxy/worker/coverage_rule.h"
#include "proxy/worker/holdings.h"
#include "proxy/worker/worker_metrics.h"
#include "shardmgr/broker/amqp/connection.h"

namespace warren::worker {

/// What the sources of one connection have to know. They change nothing of it but what is held.
struct Standpoint {
  std::shared_ptr<amqp::Connection> connection;
  std::shared_ptr<const std::string> inbox;  ///< A queue on the node of the connection; empty: there is none now.
  std::shared_ptr<Holdings> holdings;
  Identity self;  ///< `node` is empty until it is known.
  /// Whether the management API is being asked, by whichever source: one that hangs must not gather questions.
  std::shared_ptr<bool> asking = std::make_shared<bool>(false);
};

/// What a source tells, at once or later.
struct SourceHooks {
  std::function<void(Wanted)> on_wanted;
  std::function<void(std::string node)> on_node;     ///< The node of the connection was found out.
  std::function<void(std::string reason)> on_blind;  ///< It cannot tell now; what is held stays held.
};

class ShardSource {
 public:
  virtual ~ShardSource() = default;
  virtual SourceKind kind() const = 0;
  /// Finds out again. Called at once, and then each `refresh`.
  virtual void Look() = 0;
  /// A shard was lost that may be back soon.
  virtual void Hurry() {}
};

}  // namespace warren::worker
