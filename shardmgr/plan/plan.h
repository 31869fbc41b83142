// MakePlan: from what users want and what was observed to what has to be done, and to the status
// that every interface shows. Pure, total, deterministic and bounded; empty on a converged cluster.
//
// Flow: observe (shardmgr/broker/management) -> MakePlan -> apply (coordinator). The order of the
// actions of one stream matters (declares before binds; binds index-major over the nodes, because
// a consistent-hash ring remembers the order of its bindings); streams are independent.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "policies/catalog.h"
#include "policies/stream_spec.h"
#include "shardmgr/model/topology.h"

namespace warren {

enum class ShardState {
  kMissing,    ///< Wanted, and no queue of that name is there.
  kDeclared,   ///< The queue is there, not bound.
  kActive,     ///< Declared on its node and bound.
  kDown,       ///< Its node is down; the queue comes back with it.
  kMisplaced,  ///< The queue is on another node than its name says.
  kSurplus,    ///< Bound by us once, not wanted any more (fewer shards per node), kept.
  kConflict,   ///< The queue's type, durability or arguments are not the template's; left alone.
};

enum class ConditionType { kReady, kProgressing, kDegraded };

/// One line of a stream's status, as in Kubernetes: a type that is true, with reason and message.
struct Condition {
  ConditionType type = ConditionType::kReady;
  std::string reason;   ///< CamelCase, stable: "NotSupportedYet", "NodeDown", "UnknownDefinition", …
  std::string message;  ///< For people: what, where, remedy.
};

struct Shard {
  std::string queue;  ///< Queue name; naming.h.
  std::string node;   ///< The node in the name.
  int index = 0;
  ShardState state = ShardState::kMissing;
  std::string observed_node;  ///< Where the queue is; empty when missing.
  std::string wanted_key;     ///< Routing key as the definition says ("1234").
  std::string reduced_key;    ///< As it is (to be) bound: the weight divided by the common divisor.
  std::string bound_key;      ///< As observed; empty when not bound.
  std::optional<std::uint64_t> ready, unacked, consumers;
  std::optional<double> publish_per_second, deliver_per_second;
};

enum class ActionKind { kDeclareShard, kBindShard };

/// One idempotent step. Declares carry the template, binds the key.
struct Action {
  ActionKind kind = ActionKind::kDeclareShard;
  std::string vhost;
  std::string exchange;
  std::string queue;
  std::string node;         ///< Where the queue belongs.
  QueueTemplate declare_as; ///< kDeclareShard: complete, dead-letter argument included.
  std::string routing_key;  ///< kBindShard.

  /// One line for `plan` and logs: "declare queue 'stream: …' on rabbit1@host (classic, durable)".
  std::string ToString() const;
};

/// What is wanted, seen and to be done for one exchange that a policy matches.
struct StreamPlan {
  std::string vhost;
  std::string exchange;
  std::string exchange_type;
  std::optional<StreamSpec> spec;  ///< Unset: a policy matches but nothing usable comes of it.
  std::vector<Shard> shards;       ///< Index-major, then by node.
  std::vector<Action> actions;
  std::vector<Condition> conditions;

  bool ready() const;  ///< Every wanted shard is active (or down) and no condition says otherwise.
};

struct Plan {
  std::int64_t observed_at_ms = 0;
  std::vector<StreamPlan> streams;           ///< By vhost, then exchange.
  std::vector<Condition> problems;           ///< Of parameters as such: a definition that is not valid …

  std::size_t action_count() const;
  bool empty() const { return action_count() == 0; }
};

/// Bounds and circumstances that are not in the cluster.
struct PlanLimits {
  std::string own_username = "guest";          ///< The coordinator's user; other local-usernames are refused.
  std::vector<std::string> unreachable_nodes;  ///< Running, but nothing may be placed there now.
  std::size_t max_actions = 100'000;           ///< A plan never holds more; the rest is for the next round.
};

/// Decides. Total: any catalog and any topology give a plan.
Plan MakePlan(const policies::Catalog& wanted, const Topology& observed, const PlanLimits& limits);

}  // namespace warren
