// From candidates to steps, in this order: what has to be there first; declares and binds, index-major over
// the nodes; one shard is repaired, or else shards nobody wants leave the exchange, highest index first; what
// is empty is deleted. A binding is removed only while another shard that serves stays bound.
#include <fmt/format.h>

#include "policies/json.h"
#include "shardmgr/plan/stream_planner.h"

namespace warren {
namespace {

class ActionPlanner {
 public:
  ActionPlanner(StreamContext& context, const BindingChoice& binding)
      : context_(context), binding_(binding), actions_(context.plan.actions) {
    for (const Candidate& candidate : context.candidates) serving_ += candidate.ServesForSure() ? 1 : 0;
  }

  void Plan() {
    if (context_.exchange_gone) {
      AddMarks();
    } else {
      if (context_.plan.spec) AddWanted();
      // Repairs first: a shard that is to leave may be the one that makes a repair possible.
      if (!context_.limits.growth_only && (growing_ || !AddRepair())) AddRemovals();
    }
    AddDeletes();
  }

 private:
  Action Make(ActionKind kind, const Candidate& candidate) const {
    Action action;
    action.kind = kind;
    action.vhost = context_.plan.vhost;
    action.exchange = context_.plan.exchange;
    action.queue = candidate.shard.queue;
    const bool by_home = kind == ActionKind::kDeleteShard && candidate.queue != nullptr;
    action.node = context_.cluster.Via(by_home ? candidate.queue->node : candidate.shard.node);
    return action;
  }

  void Add(ActionKind kind, const Candidate& candidate, std::string key = {}, nlohmann::json arguments = {}) {
    Action action = Make(kind, candidate);
    action.routing_key = std::move(key);
    if (arguments.is_object()) action.arguments = std::move(arguments);
    if (!action.node.empty()) actions_.push_back(std::move(action));
  }

  void AddExchange(ActionKind kind, const char* name) {
    const auto same = [&](const Action& action) { return action.exchange == name && action.kind == kind; };
    if (context_.vhost.FindExchange(name) != nullptr || std::any_of(actions_.begin(), actions_.end(), same)) return;
    Action action;
    action.kind = kind;
    action.vhost = context_.plan.vhost;
    action.exchange = name;
    action.node = context_.cluster.Via({});
    if (!action.node.empty()) actions_.push_back(std::move(action));
  }

  /// Each stream declares it for itself, so that its actions are complete without those of others; doing it
  /// twice does no harm.
  void AddDeadLetterExchange() {
    if (context_.spec().http) AddExchange(ActionKind::kDeclareDeadLetterExchange, kDeadLetterExchange);
  }

  void AddWanted() {
    AddDeadLetterExchange();
    AddUnmarks();
    // An exchange without any shard gets those that are there before one that may be refused.
    if (serving_ == 0) AddBinds(true);
    AddDeclares();
    AddBinds(serving_ != 0, true);
  }

  void AddDeclares() {
    const QueueTemplate declare_as = CompleteTemplate(context_.spec());
    for (const Candidate& candidate : context_.candidates) {
      if (candidate.shard.state != ShardState::kMissing) continue;
      growing_ = true;
      Add(ActionKind::kDeclareShard, candidate);
      actions_.back().declare_as = declare_as;
    }
  }

  /// Of shards that are there, that are still to be declared, or both. One that nothing can be done about but to use it
  /// where it is (misplaced) is bound as well.
  void AddBinds(bool there, bool missing = false) {
    for (const Candidate& candidate : context_.candidates) {
      const ShardState state = candidate.shard.state;
      const bool usable =
          state == ShardState::kDeclared || (state == ShardState::kMisplaced && candidate.repair == Repair::kNone);
      if (candidate.bound() || !((there && usable) || (missing && state == ShardState::kMissing))) continue;
      growing_ = true;
      Add(ActionKind::kBindShard, candidate, binding_.key);
    }
  }

  /// Marked, and wanted again as it is; before it is bound, so that a marked shard that is bound was never bound anew.
  void AddUnmarks() {
    for (const Candidate& candidate : context_.candidates) {
      const ShardState state = candidate.shard.state;
      const bool as_wanted =
          state == ShardState::kDeclared || (state == ShardState::kActive && candidate.repair == Repair::kNone);
      if (as_wanted) AddUnmark(candidate);
    }
  }

  void AddUnmark(const Candidate& candidate) {
    for (const Binding* marker : candidate.markers) {
      Add(ActionKind::kUnmarkDraining, candidate, marker->routing_key, marker->arguments);
    }
  }

  void AddUnbinds(const Candidate& candidate, const std::string* but_key = nullptr) {
    for (const Binding* binding : candidate.bindings) {
      if (but_key != nullptr && binding->routing_key == *but_key && binding->arguments.empty()) continue;
      Add(ActionKind::kUnbindShard, candidate, binding->routing_key, binding->arguments);
    }
  }

  void AddMark(const Candidate& candidate) {
    if (!candidate.markers.empty()) return;
    AddExchange(ActionKind::kDeclareDrainExchange, kDrainExchange);
    Add(ActionKind::kMarkDraining, candidate, context_.plan.exchange);
  }

  /// Whether the exchange keeps a shard when this one is unbound; if so, it counts as gone.
  bool Spare(const Candidate& candidate) {
    if (context_.removing || !candidate.Serves()) return true;
    const int left = serving_ - (candidate.ServesForSure() ? 1 : 0);
    if (left < 1) return false;
    serving_ = left;
    return true;
  }

  /// Unwanted shards that are bound, highest index first: what was bound last moves the fewest keys.
  void AddRemovals() {
    std::vector<const Candidate*> leaving;
    for (auto candidate = context_.candidates.rbegin(); candidate != context_.candidates.rend(); ++candidate) {
      const bool unwanted = !candidate->wanted && candidate->shard.state == ShardState::kDraining;
      if (unwanted && candidate->bound() && Spare(*candidate)) leaving.push_back(&*candidate);
    }
    for (const Candidate* candidate : leaving) AddMark(*candidate);
    for (const Candidate* candidate : leaving) AddUnbinds(*candidate);
  }

  /// The bindings went with the exchange. The mark keeps the shards Warren's should the template change meanwhile.
  void AddMarks() {
    if (!context_.plan.spec) return;
    for (const Candidate& candidate : context_.candidates) {
      const ShardState state = candidate.shard.state;
      if (state == ShardState::kDraining || state == ShardState::kRetained) AddMark(candidate);
    }
  }

  bool Replacing() const {
    return std::any_of(context_.candidates.begin(), context_.candidates.end(), [](const Candidate& candidate) {
      return candidate.wanted && candidate.shard.state == ShardState::kDraining;
    });
  }

  /// One shard a plan, the most urgent repair first; of those that are to be re-created one after the other.
  bool AddRepair() {
    const Candidate* next = nullptr;
    for (const Candidate& candidate : context_.candidates) {
      if (candidate.repair == Repair::kNone) continue;
      if (!context_.cluster.WhyNotPlaceable(candidate.shard.node).empty()) continue;  // It could not be put back.
      const bool recreate = candidate.repair == Repair::kTemplate || candidate.repair == Repair::kPlacement;
      if (recreate && (Replacing() || context_.limits.never_delete)) continue;
      if (next == nullptr || candidate.repair < next->repair) next = &candidate;
    }
    if (next == nullptr) return false;
    const std::size_t before = actions_.size();
    if (next->repair == Repair::kTemplate || next->repair == Repair::kPlacement) {
      Withdraw(*next);
    } else {
      Rebind(*next);
    }
    return actions_.size() > before;
  }

  /// Out of the exchange, to be deleted when it is empty and declared again.
  void Withdraw(const Candidate& candidate) {
    if (!Spare(candidate)) return;
    AddMark(candidate);
    AddUnbinds(candidate);
  }

  /// A weight changes by unbinding first: a second binding would be ignored. Any other key has no such need.
  void Rebind(const Candidate& candidate) {
    if (binding_.key_is_weight) return RebindWeight(candidate);
    const std::string& key = binding_.key_is_read ? binding_.key : candidate.shard.bound_key;
    const auto has_key = [&](const Binding* b) { return b->routing_key == key && b->arguments.empty(); };
    if (std::none_of(candidate.bindings.begin(), candidate.bindings.end(), has_key)) {
      Add(ActionKind::kBindShard, candidate, key);
    }
    AddUnbinds(candidate, &key);
  }

  /// With two bindings, removing the first may empty the queue's place in the ring: the mark tells whoever goes on.
  void RebindWeight(const Candidate& candidate) {
    if (!Spare(candidate)) return;
    const bool mark = candidate.bindings.size() > 1 && candidate.markers.empty();
    if (mark) AddMark(candidate);
    AddUnbinds(candidate);
    if (mark) Add(ActionKind::kUnmarkDraining, candidate, context_.plan.exchange);
    AddUnmark(candidate);
    Add(ActionKind::kBindShard, candidate, binding_.key);
  }

  void AddDeletes() {
    if (context_.limits.never_delete || context_.limits.growth_only) return;
    for (auto candidate = context_.candidates.rbegin(); candidate != context_.candidates.rend(); ++candidate) {
      if (candidate->shard.state != ShardState::kDraining || candidate->bound()) continue;
      if (!SeenEmptyTwice(context_, *candidate)) continue;
      Action action = Make(ActionKind::kDeleteShard, *candidate);
      action.declare_as.type = candidate->queue->type == "quorum" ? QueueType::kQuorum : QueueType::kClassic;
      if (!action.node.empty()) actions_.push_back(std::move(action));
    }
  }

  StreamContext& context_;
  const BindingChoice& binding_;
  std::vector<Action>& actions_;
  int serving_ = 0;       ///< Shards that serve for sure, less those that this plan unbinds.
  bool growing_ = false;  ///< Shards are still to be declared or bound.
};

}  // namespace

std::int64_t CountsAgeMs(const StreamContext& context, const Candidate& candidate) {
  constexpr std::int64_t kQuorumReportMs = 5'000;
  const bool quorum = candidate.queue != nullptr && candidate.queue->type == "quorum";
  return std::max(context.cluster.counts_age_ms(), quorum ? kQuorumReportMs : 0);
}

bool SeenEmptyTwice(const StreamContext& context, const Candidate& candidate) {
  const QueueHistory* history = candidate.history;
  return history != nullptr && history->empty_since_ms > 0 &&
         context.cluster.observed_at_ms() - history->empty_since_ms >= CountsAgeMs(context, candidate);
}

std::size_t PlanActions(StreamContext& context, const BindingChoice& binding, std::size_t budget) {
  if (Blocked(context.plan)) return 0;
  ActionPlanner(context, binding).Plan();
  std::vector<Action>& actions = context.plan.actions;
  if (actions.size() <= budget) return 0;
  const std::size_t left_out = actions.size() - budget;
  actions.resize(budget);
  return left_out;
}

std::string Action::ToString() const {
  const std::string in_vhost = vhost == "/" ? "" : fmt::format(" in vhost '{}'", vhost);
  switch (kind) {
    case ActionKind::kDeclareShard:
      return fmt::format("declare queue '{}'{} on {} ({}, {}{})", queue, in_vhost, node,
                         declare_as.type == QueueType::kQuorum ? "quorum" : "classic",
                         declare_as.durable ? "durable" : "transient",
                         declare_as.arguments.empty() ? "" : ", " + JsonForMessage(declare_as.arguments, 200));
    case ActionKind::kBindShard:
      return fmt::format("bind queue '{}' to exchange '{}'{} with routing key '{}'", queue, exchange, in_vhost,
                         routing_key);
    case ActionKind::kUnbindShard:
      return fmt::format("unbind queue '{}' from exchange '{}'{} with routing key '{}'{}", queue, exchange, in_vhost,
                         routing_key, arguments.empty() ? "" : " and arguments " + JsonForMessage(arguments, 200));
    case ActionKind::kMarkDraining: return fmt::format("mark queue '{}'{} as being drained", queue, in_vhost);
    case ActionKind::kUnmarkDraining: return fmt::format("take the mark off queue '{}'{}", queue, in_vhost);
    case ActionKind::kDeleteShard:
      return fmt::format("delete queue '{}'{} if it is empty and unused ({})", queue, in_vhost,
                         declare_as.type == QueueType::kQuorum ? "quorum" : "classic");
    case ActionKind::kDeclareDeadLetterExchange:
      return fmt::format("declare exchange '{}'{} (headers, durable)", exchange, in_vhost);
    case ActionKind::kDeclareDrainExchange:
      return fmt::format("declare exchange '{}'{} (direct, durable)", exchange, in_vhost);
  }
  return {};
}

}  // namespace warren
