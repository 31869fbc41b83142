// MakePlan: from what users want and what was observed to what has to be done, and to the status
// that every interface shows. Pure, total, deterministic and bounded; empty on a converged cluster.
//
// Flow: observe (shardmgr/broker/management) -> MakePlan -> apply (coordinator). The order of the
// actions of one stream matters (declares before binds; binds index-major over the nodes, because
// a consistent-hash ring remembers the order of its bindings); streams are independent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policies/catalog.h"
#include "policies/stream_spec.h"
#include "shardmgr/model/topology.h"

namespace warren {

enum class ShardState {
  kMissing,    ///< Wanted, and no queue of that name is there.
  kDeclared,   ///< The queue is there, not bound.
  kActive,     ///< Declared on its node and bound.
  kDown,       ///< Its node is down, or takes nothing now and the shard is not active; it comes with the node.
  kMisplaced,  ///< The queue is on another node than its name says.
  kSurplus,    ///< Has a name of this stream's, not wanted any more (index too high, node gone), kept.
  kConflict,   ///< The queue's type, durability or arguments are not the template's; left alone.
};

enum class ConditionType { kReady, kProgressing, kDegraded };

/// One line of a stream's status, as in Kubernetes: a type that is true, with reason and message.
struct Condition {
  ConditionType type = ConditionType::kReady;
  std::string reason;   ///< CamelCase, stable: "NotSupportedYet", "NodeDown", "UnknownDefinition", …
  std::string message;  ///< For people: what, where, remedy.
  bool blocks = false;  ///< The stream cannot be ready while this holds, and its plan has no actions.
};

struct Shard {
  std::string queue;  ///< Queue name; naming.h.
  std::string node;   ///< The node in the name.
  int index = 0;
  ShardState state = ShardState::kMissing;
  std::string observed_node;  ///< Where the queue is; empty when missing.
  std::string wanted_key;     ///< Routing key as the definition says ("1234").
  std::string reduced_key;    ///< As it is (to be) bound: the weight divided by the common divisor.
  bool bound = false;         ///< A binding from the exchange to the queue was observed.
  std::string bound_key;      ///< As observed; empty when not bound (and on x-random).
  std::string detail;         ///< For people: why it is not simply active; empty when there is nothing to say.
  std::optional<std::uint64_t> ready, unacked, consumers;
  std::optional<double> publish_per_second, deliver_per_second;
};

enum class ActionKind {
  kDeclareShard,
  kBindShard,
  kDeclareDeadLetterExchange,  ///< `exchange` (warren.dead) as a durable headers exchange; before the declares.
};

/// One idempotent step. Declares carry the template, binds the key.
struct Action {
  ActionKind kind = ActionKind::kDeclareShard;
  std::string vhost;
  std::string exchange;
  std::string queue;         ///< Empty for kDeclareDeadLetterExchange.
  std::string node;          ///< Where the queue belongs; for an exchange any node will do, this one is up.
  QueueTemplate declare_as;  ///< kDeclareShard: complete, dead-letter argument included.
  std::string routing_key;   ///< kBindShard.

  /// One line for `plan` and logs: "declare queue 'stream: …' on rabbit1@host (classic, durable)".
  std::string ToString() const;
};

/// What is wanted, seen and to be done for one exchange that a policy matches.
struct StreamPlan {
  std::string vhost;
  std::string exchange;
  std::string exchange_type;
  std::string policy;              ///< Name of the policy that matched.
  std::optional<StreamSpec> spec;  ///< Unset: a policy matches but nothing usable comes of it.
  std::vector<Shard> shards;       ///< Index-major, then by node.
  std::vector<Action> actions;
  std::vector<Condition> conditions;

  /// At least one shard is active, every other wanted one too unless it is down, nothing is to be done and no
  /// condition blocks: every shard that can be had now is there.
  bool ready() const;

  /// One word for tables and metric labels: "ready", "progressing", "degraded" (it works, and something is
  /// wrong), "not-ready". A stream may be ready() and "degraded": a node is down.
  std::string_view state() const;
};

struct Plan {
  std::int64_t observed_at_ms = 0;
  std::vector<StreamPlan> streams;  ///< By vhost, then exchange.
  std::vector<Condition> problems;  ///< Of parameters as such: a definition that is not valid …

  std::size_t action_count() const;
  bool empty() const { return action_count() == 0; }
};

/// Stable lower-case names: "missing", "active" …; "ready", "progressing", "degraded"; "declare-shard" ….
std::string_view Name(ShardState state);
std::string_view Name(ConditionType type);
std::string_view Name(ActionKind kind);

/// Bounds and circumstances that are not in the cluster.
struct PlanLimits {
  std::string own_username = "guest";          ///< The coordinator's user; other local-usernames are refused.
  std::vector<std::string> unreachable_nodes;  ///< Running, but nothing may be placed there now.
  std::size_t max_actions = 100'000;           ///< A plan never holds more; the rest is for the next round.
};

/// Decides. Total: any catalog and any topology give a plan.
Plan MakePlan(const policies::Catalog& wanted, const Topology& observed, const PlanLimits& limits);

}  // namespace warren
