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
#include "shardmgr/plan/history.h"

namespace warren {

enum class ShardState {
  kMissing,    ///< Wanted, and no queue of that name is there.
  kDeclared,   ///< The queue is there, not bound.
  kActive,     ///< Declared on its node and bound.
  kOutdated,   ///< Bound, and declared by another template than the definition's: waits for its turn to be rolled.
  kDraining,   ///< Not wanted (so) any more: to be unbound, or unbound and kept until it is empty and unconsumed.
  kRetained,   ///< Not wanted any more, unbound, and kept as the definition's on-remove says.
  kDown,       ///< Its node is down, or takes nothing now and the shard is not active; it comes with the node.
  kMisplaced,  ///< The queue is on another node than its name says, and bound.
  kOrphaned,   ///< No policy matches its exchange, or the exchange is gone and no policy matches its name.
  kConflict,   ///< Somebody else's: type, durability or arguments are not the template's and it is not bound.
};

enum class ConditionType { kReady, kProgressing, kDegraded };

/// One line of a stream's status, as in Kubernetes: a type that is true, with reason and message.
struct Condition {
  ConditionType type = ConditionType::kReady;
  std::string reason;   ///< CamelCase, stable: "NodeDown", "UnknownDefinition", …
  std::string message;  ///< For people: what, where, remedy.
  bool blocks = false;  ///< The stream cannot be ready while this holds, and its plan has no actions.
};

struct Shard {
  std::string queue;  ///< Queue name; naming.h.
  std::string node;   ///< The node in the name.
  int index = 0;
  ShardState state = ShardState::kMissing;
  std::string observed_node;          ///< Where the queue is; empty when missing.
  std::string wanted_key;             ///< Routing key as the definition says ("1234").
  std::string reduced_key;            ///< As it is (to be) bound: the weight divided by the common divisor.
  bool bound = false;                 ///< A binding from the exchange to the queue was observed.
  std::string bound_key;              ///< As observed; empty when not bound (and on x-random).
  bool wanted = false;                ///< The definition asks for it, on a node that is not drained.
  std::string substitute;             ///< Stable placement: whose queue gets its messages while its own cannot be had.
  bool draining_marked = false;       ///< Bound to kDrainExchange: Warren took it out of service to re-create it.
  std::int64_t unbound_since_ms = 0;  ///< Draining: since when it is known to be unbound; 0: it is bound.
  std::string detail;                 ///< For people: why it is not simply active; empty when there is nothing to say.
  std::optional<std::uint64_t> ready, unacked, consumers;
  std::optional<double> publish_per_second, deliver_per_second;
};

/// A durable direct exchange of Warren's in each vhost that needs it. A shard that is to be re-created or to go is
/// bound to it is bound to it (with its stream's name as key) before it is unbound from its stream: a coordinator that
/// starts in the middle, or finds another template, knows by that whose the queue is. Nothing is published there.
/// docs/adr/0005-draining-marker.md
inline constexpr const char* kDrainExchange = "warren.draining";

/// In the order in which a plan has them.
enum class ActionKind {
  kDeclareDeadLetterExchange,  ///< `exchange` (warren.dead) as a durable headers exchange.
  kDeclareDrainExchange,       ///< `exchange` (warren.draining) as a durable direct exchange.
  kDeclareShardExchange,       ///< `exchange`: the shard's own or its alternate one; see ShardExchange.
  kDeclareShard,
  kMarkDraining,         ///< Bind `queue` to kDrainExchange with `routing_key`.
  kUnbindExchange,       ///< Unbind the exchange named `queue` from `exchange`, as kUnbindShard does.
  kUnbindShard,          ///< Unbind `queue` from `exchange`: the binding with `routing_key` and `arguments`.
  kBindShard,            ///< Bind `queue` to `exchange` with `routing_key`.
  kBindExchange,         ///< Bind the exchange named `queue` to `exchange` with `routing_key`.
  kUnmarkDraining,       ///< Unbind `queue` from kDrainExchange: the binding with `routing_key`.
  kDeleteShard,          ///< Delete `queue` if it is empty and unused; see Action::declare_as.
  kDeleteShardExchange,  ///< Delete `exchange`, which was a shard's, if nothing is bound to it.
};

/// One idempotent step. Applied in the order of the plan: a step begins when all before it of another kind are done.
struct Action {
  ActionKind kind = ActionKind::kDeclareShard;
  std::string vhost;
  std::string exchange;
  std::string queue;  ///< Empty for exchanges but those of a shard.
  std::string node;   ///< Where the queue belongs or, to delete it, is; for all others a node that is up.
  /// kDeclareShard: complete, dead-letter argument included. kDeleteShard: `type` alone counts: a classic queue is
  /// deleted with if-empty and if-unused, a quorum queue (which refuses these) after a passive declare that shows it
  /// empty and unused.
  QueueTemplate declare_as;
  std::string routing_key;                              ///< Of the binding.
  nlohmann::json arguments = nlohmann::json::object();  ///< kUnbindShard: of the binding.

  /// One line for `plan` and logs: "declare queue 'stream: …' on rabbit1@host (classic, durable)".
  std::string ToString() const;
};

/// What a shard's exchanges are with stable placement: its own (named as its queue) a fanout that hands what it has no
/// queue for to the alternate one, which is of type x-consistent-hash and bound to the substitute's exchange. Nobody
/// publishes to them.
Exchange ShardExchange(std::string vhost, const std::string& name);
/// Whether an exchange is that of a shard, or its alternate one: it has the name of one, and is made as one.
bool IsShardExchange(const Exchange& exchange);

/// Share of keys, from 0 to 1, that will go to another shard than now. A range where the order of the ring is not
/// known.
struct MovedKeys {
  double least = 0;
  double most = 0;
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
  std::optional<MovedKeys> moved_keys;  ///< Of `actions`; unset where keys do not choose the shard (x-random).
  /// Unix time of the observation from which on a shard may be deleted if it stays as it is; unset: none waits so.
  std::optional<std::int64_t> next_look_ms;

  /// No policy: shards that somebody left behind.
  bool orphaned() const { return policy.empty(); }

  /// At least one shard is active, every other wanted one too unless it is down, nothing is to be done and no
  /// condition blocks: every shard that can be had now is there.
  bool ready() const;

  /// One word for tables and metric labels: "ready", "progressing", "degraded" (it works, and something is
  /// wrong), "not-ready", "orphaned". A stream may be ready() and "degraded": a node is down.
  std::string_view state() const;
};

struct Plan {
  std::int64_t observed_at_ms = 0;
  std::vector<StreamPlan> streams;  ///< By vhost, then exchange.
  std::vector<Condition> problems;  ///< Of parameters as such: a definition that is not valid …

  std::size_t action_count() const;
  bool empty() const { return action_count() == 0; }
  std::optional<std::int64_t> next_look_ms() const;  ///< The earliest of all streams.
};

/// Stable lower-case names: "missing", "active" …; "ready", "progressing", "degraded"; "declare-shard" ….
std::string_view Name(ShardState state);
std::string_view Name(ConditionType type);
std::string_view Name(ActionKind kind);

struct StreamName {
  std::string vhost;
  std::string exchange;
  auto operator<=>(const StreamName&) const = default;
};

/// Bounds and circumstances that are not in the cluster.
struct PlanLimits {
  std::string own_username = "guest";          ///< The coordinator's user.
  std::vector<std::string> known_users;        ///< Others whose password is known: local-usernames that can be served.
  std::vector<std::string> unreachable_nodes;  ///< Running, but nothing may be placed there now.
  std::size_t max_actions = 100'000;           ///< A plan never holds more; the rest is for the next round.
  bool never_delete = false;                   ///< No plan deletes a queue.
  bool growth_only = false;  ///< Not all that users ask for is known: no plan unbinds or deletes anything.
  std::int64_t statistics_interval_ms = 5'000;  ///< The broker's (collect_statistics_interval): how old counts may be.
  std::int64_t stall_after_ms = 30'000;         ///< A drain whose counts stand still for longer is reported as stalled.
  std::vector<StreamName> remove;  ///< Streams without a policy whose shards are to be drained and deleted now.
};

/// Decides. Total: any catalog, any topology and any history give a plan. `history` has seen `observed`
/// (History::Observe) and those before it; without one nothing is ever deleted.
Plan MakePlan(const policies::Catalog& wanted, const Topology& observed, const PlanLimits& limits,
              const History& history = {});

}  // namespace warren
