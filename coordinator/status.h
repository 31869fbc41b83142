// Snapshot: what the coordinator knows and does, as one immutable value. The loop makes one a round;
// REST API and metrics read nothing else. Pure, but for being shared between threads (it is const).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "coordinator/apply.h"
#include "coordinator/coverage.h"
#include "policies/parameter.h"
#include "shardmgr/model/topology.h"
#include "shardmgr/plan/plan.h"

namespace warren::coordinator {

struct TimedCondition {
  Condition condition;
  std::int64_t since_ms = 0;  ///< Unix time since when it holds without a break.
};

struct StreamStatus {
  StreamPlan plan;
  std::vector<TimedCondition> conditions;      ///< The plan's, and what the last apply met.
  bool failed = false;                         ///< The last apply of this stream failed.
  std::vector<UncoveredShard> uncovered = {};  ///< Shards that nobody consumes.
  bool left_out = false;                       ///< Some of them although others are consumed, or messages wait.

  bool ready() const { return plan.ready() && !failed; }
  std::string_view state()
      const;  ///< As StreamPlan::state(); "degraded" at best when an apply failed or a shard is left out.
};

struct NodeStatus {
  Node node;
  std::string address;      ///< AMQP address in use; empty when unknown.
  std::string unreachable;  ///< Why nothing can be placed there although it runs; empty: it can.
  bool drained = false;     ///< To be empty of shards, as stream-node.<name> says.
};

struct Snapshot {
  std::uint64_t generation = 0;            ///< Successful observations so far.
  std::int64_t observed_at_ms = 0;         ///< Unix time of the last successful one; 0: none yet.
  std::optional<Error> observation_error;  ///< Why the last attempt failed; unset: it did not.
  std::int64_t failing_since_ms = 0;
  std::string cluster_name;
  std::string rabbitmq_version;
  std::vector<NodeStatus> nodes;
  std::vector<StreamStatus> streams;
  std::vector<Condition> problems;    ///< Of parameters and files.
  std::vector<std::string> notices;   ///< Nothing wrong, but worth knowing.
  std::vector<Parameter> parameters;  ///< In force, files applied.

  std::size_t action_count() const;
};

/// Remembers since when each condition holds.
class ConditionBook {
 public:
  using Uncovered = std::map<StreamName, std::vector<UncoveredShard>>;

  /// Statuses for a plan; `failures` are the streams whose last apply failed, by (vhost, exchange).
  std::vector<StreamStatus> Update(const Plan& plan,
                                   const std::map<std::pair<std::string, std::string>, Error>& failures,
                                   std::int64_t now_ms, const Uncovered& uncovered = {});

 private:
  using Key = std::tuple<std::string, std::string, ConditionType, std::string>;
  std::map<Key, std::int64_t> since_;
};

/// The condition that a failed apply puts on its stream.
Condition FailureCondition(const Error& error);

}  // namespace warren::coordinator
