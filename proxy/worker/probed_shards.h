// ProbedShards: the source where neither a coordinator nor the management API tells: the shards of the own node are
// those that can be declared passively. Bindings cannot be seen that way, so a drained shard looks like an idle one;
// therefore idle shards are let go of now and then (IsYieldTime), and taken back as soon as they hold a message.
//
// Threads: everything on the worker's executor.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "proxy/worker/shard_source.h"
#include "shardmgr/plan/naming.h"

namespace warren::worker {

class ProbedShards final : public ShardSource, public std::enable_shared_from_this<ProbedShards> {
 public:
  /// The node has to be known. `yield_every`: as of WorkerOptions.
  ProbedShards(std::string exchange, std::chrono::milliseconds yield_every,
               std::shared_ptr<const Standpoint> standpoint, SourceHooks hooks);

  SourceKind kind() const override { return SourceKind::kProbe; }
  void Look() override;
  void Hurry() override;

 private:
  void YieldIdleShards();
  void WatchYielded(std::vector<std::string> left);
  void DeclarePassively(const std::string& queue, std::function<void(Result<amqp::QueueDeclared>)> done);
  void Probe(NameStyle style, int index, std::shared_ptr<std::vector<std::string>> found);
  void Tell(std::vector<std::string> shards);

  const std::string exchange_;
  const std::chrono::milliseconds yield_every_;
  std::shared_ptr<const Standpoint> standpoint_;
  SourceHooks hooks_;
  std::shared_ptr<amqp::Channel> channel_;
  bool asking_ = false;
  std::set<std::string> yielded_;                           ///< Idle shards that are let go of for a while.
  std::chrono::steady_clock::time_point next_probe_ = {};   ///< For shards beyond those that are held.
  std::chrono::steady_clock::time_point eager_until_ = {};  ///< A shard was lost: until then each look probes.
};

}  // namespace warren::worker
