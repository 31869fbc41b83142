// From candidates to steps, in this order: what has to be there first; declares and binds, index-major over
// the nodes; one shard is repaired, or else shards nobody wants leave the exchange, highest index first; what
// is empty is deleted. A binding is removed only while another shard that serves stays bound.
#include "shardmgr/plan/place_actions.h"

namespace warren {
namespace {

class ActionPlanner {
 public:
  ActionPlanner(StreamContext& context, const BindingChoice& binding)
      : context_(context), binding_(binding), actions_(context.plan.actions), list_(context), places_(context, list_) {
    for (const Candidate& candidate : context.candidates) serving_ += candidate.ServesForSure() ? 1 : 0;
  }

  void Plan() {
    if (context_.exchange_gone) {
      AddMarks();
    } else {
      if (context_.plan.spec) AddWanted();
      if (!context_.limits.growth_only) AddPlaceUnbinds();
      // Repairs first: a shard that is to leave may be the one that makes a repair possible.
      if (!context_.limits.growth_only && (growing_ || !AddRepair())) AddRemovals();
      if (context_.stable() && !context_.limits.growth_only) places_.AddReturns();
    }
    if (context_.limits.growth_only) return;
    if (context_.plan.spec || context_.removing) places_.AddDeletes();
    AddDeletes();
  }

 private:
  /// Each stream declares it for itself, so that its actions are complete without those of others; doing it
  /// twice does no harm.
  void AddDeadLetterExchange() {
    if (context_.spec().http) list_.AddExchange(ActionKind::kDeclareDeadLetterExchange, kDeadLetterExchange);
  }

  void AddWanted() {
    AddDeadLetterExchange();
    AddUnmarks();
    if (context_.stable()) {
      growing_ = places_.AddExchanges();
      places_.AddSubstitutes();
    }
    // An exchange without any shard gets those that are there before one that may be refused.
    if (serving_ == 0) AddBinds(true);
    AddDeclares();
    AddBinds(serving_ != 0, true);
    if (!context_.limits.growth_only) AddSwitch();
  }

  void AddDeclares() {
    const QueueTemplate declare_as = CompleteTemplate(context_.spec());
    for (const Candidate& candidate : context_.candidates) {
      if (candidate.shard.state != ShardState::kMissing) continue;
      growing_ = true;
      list_.Add(ActionKind::kDeclareShard, candidate);
      actions_.back().declare_as = declare_as;
    }
  }

  /// One that nothing can be done about but to use it where it is (misplaced) is bound as well; so is one that serves
  /// in the way of the other placement.
  static bool Usable(const Candidate& candidate) {
    const ShardState state = candidate.shard.state;
    const bool stays =
        state == ShardState::kActive || state == ShardState::kOutdated || state == ShardState::kMisplaced;
    return state == ShardState::kDeclared || (state == ShardState::kMisplaced && candidate.repair == Repair::kNone) ||
           (stays && candidate.wanted && candidate.in_service());
  }

  /// Of shards that are there, that are still to be declared, or both.
  void AddBinds(bool there, bool missing = false) {
    std::vector<const Candidate*> unbound;
    for (const Candidate& candidate : context_.candidates) {
      const bool lacks = candidate.bindings.empty() || (context_.stable() && candidate.feeds.empty());
      const bool now = (there && Usable(candidate)) || (missing && candidate.shard.state == ShardState::kMissing);
      if (lacks && now) unbound.push_back(&candidate);
    }
    growing_ = growing_ || !unbound.empty();
    for (const Candidate* candidate : unbound) {
      const std::string& name = candidate->shard.queue;
      const bool feed = context_.stable() && candidate->feeds.empty();
      if (feed) list_.AddAt(candidate->shard.node, ActionKind::kBindShard, name, name);
    }
    for (const Candidate* candidate : unbound) {
      if (candidate->bindings.empty()) list_.Add(kind_of_bind(), *candidate, binding_.key);
      bound_now_.insert(candidate);
    }
  }

  ActionKind kind_of_bind() const { return context_.stable() ? ActionKind::kBindExchange : ActionKind::kBindShard; }

  /// What is left of the other placement, of shards that serve by this one: each message goes one way, whichever it is.
  void AddSwitch() {
    for (const Candidate& candidate : context_.candidates) {
      const bool serves = !candidate.bindings.empty() && (!context_.stable() || !candidate.feeds.empty());
      if (serves || bound_now_.contains(&candidate)) AddUnbindsOf(candidate, candidate.strays);
    }
    if (context_.stable() || AnyPlaceInRing()) return;
    for (const Candidate& candidate : context_.candidates) {
      const bool unfed = candidate.wanted && !candidate.bindings.empty() && !candidate.has_place;
      if (unfed) AddUnbindsOf(candidate, candidate.feeds);
    }
  }

  bool AnyPlaceInRing() const {
    return std::any_of(context_.places.begin(), context_.places.end(), [](const Place& p) { return !p.ring.empty(); });
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
      list_.Add(ActionKind::kUnmarkDraining, candidate, marker->routing_key, marker->arguments);
    }
  }

  void AddUnbindsOf(const Candidate& candidate, const std::vector<const Binding*>& bindings,
                    const std::string* but_key = nullptr) {
    for (const Binding* binding : bindings) {
      if (list_.Unbinds(*binding)) continue;
      if (but_key != nullptr && binding->routing_key == *but_key && binding->arguments.empty()) continue;
      list_.AddUnbind(candidate.shard.node, *binding);
    }
  }

  /// Nothing comes to these any more. A place in the ring that is to stay does; what is for it goes to its substitute.
  void AddLeave(const std::vector<const Candidate*>& leaving) {
    for (const Candidate* candidate : leaving) {
      const Place* place = FindPlace(context_, candidate->shard);
      if (place != nullptr && !place->wanted) AddUnbindsOf(*candidate, place->ring);
    }
    for (const Candidate* candidate : leaving) {
      if (candidate->direct) AddUnbindsOf(*candidate, context_.stable() ? candidate->strays : candidate->bindings);
      AddUnbindsOf(*candidate, candidate->feeds);
    }
  }

  void AddMark(const Candidate& candidate) {
    if (!candidate.markers.empty()) return;
    list_.AddExchange(ActionKind::kDeclareDrainExchange, kDrainExchange);
    list_.Add(ActionKind::kMarkDraining, candidate, context_.plan.exchange);
  }

  /// Whether the exchange keeps a shard when this one is unbound; if so, it counts as gone.
  bool Spare(const Candidate& candidate) {
    if (context_.removing || !candidate.Serves()) return true;
    const int left = serving_ - (candidate.ServesForSure() ? 1 : 0);
    if (left < 1) return false;
    serving_ = left;
    return true;
  }

  /// And each place in the ring one that its messages end at, when nothing comes to this shard's queue any more.
  bool SpareWithPlace(const Candidate& candidate) {
    const int serving = serving_;
    if (!Spare(candidate)) return false;
    if (!context_.stable() || places_.Release(candidate.shard.queue)) return true;
    serving_ = serving;
    return false;
  }

  /// Unwanted shards that are bound, highest index first: what was bound last moves the fewest keys.
  void AddRemovals() {
    std::vector<const Candidate*> leaving;
    for (auto candidate = context_.candidates.rbegin(); candidate != context_.candidates.rend(); ++candidate) {
      const bool unwanted = !candidate->wanted && candidate->shard.state == ShardState::kDraining;
      if (unwanted && candidate->bound() && SpareWithPlace(*candidate)) leaving.push_back(&*candidate);
    }
    for (const Candidate* candidate : leaving) AddMark(*candidate);
    AddLeave(leaving);
  }

  /// Places that nobody wants and through which nothing is served, before any shard leaves that stands in for them.
  void AddPlaceUnbinds() {
    const bool goes = context_.plan.spec || context_.removing;
    if (goes && (serving_ > 0 || context_.removing)) places_.AddUnbinds();
  }

  /// The bindings went with the exchange. The mark keeps the shards Warren's should the template change meanwhile.
  void AddMarks() {
    if (!context_.plan.spec && !context_.removing) return;
    std::vector<const Candidate*> fed;
    for (const Candidate& candidate : context_.candidates) {
      const ShardState state = candidate.shard.state;
      const bool left = state == ShardState::kDraining || state == ShardState::kRetained;
      if (left && context_.plan.spec) AddMark(candidate);
      if (left && candidate.bound() && !context_.limits.growth_only) fed.push_back(&candidate);
    }
    AddLeave(fed);
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
    if (!SpareWithPlace(candidate)) return;
    AddMark(candidate);
    AddLeave({&candidate});
  }

  /// A weight changes by unbinding first: a second binding would be ignored. Any other key has no such need.
  void Rebind(const Candidate& candidate) {
    if (binding_.key_is_weight) return RebindWeight(candidate);
    const std::string& key = binding_.key_is_read ? binding_.key : candidate.shard.bound_key;
    const auto has_key = [&](const Binding* b) { return b->routing_key == key && b->arguments.empty(); };
    if (std::none_of(candidate.bindings.begin(), candidate.bindings.end(), has_key)) {
      list_.Add(ActionKind::kBindShard, candidate, key);
    }
    AddUnbindsOf(candidate, candidate.bindings, &key);
  }

  /// With two bindings, removing the first may empty the queue's place in the ring: the mark tells whoever goes on.
  void RebindWeight(const Candidate& candidate) {
    if (!Spare(candidate)) return;
    const bool mark = candidate.bindings.size() > 1 && candidate.markers.empty();
    if (mark) AddMark(candidate);
    AddUnbindsOf(candidate, candidate.bindings);
    if (mark) list_.Add(ActionKind::kUnmarkDraining, candidate, context_.plan.exchange);
    AddUnmark(candidate);
    list_.Add(kind_of_bind(), candidate, binding_.key);
  }

  void AddDeletes() {
    if (context_.limits.never_delete) return;
    for (auto candidate = context_.candidates.rbegin(); candidate != context_.candidates.rend(); ++candidate) {
      if (candidate->shard.state != ShardState::kDraining || candidate->bound()) continue;
      if (!SeenEmptyTwice(context_, *candidate)) continue;
      Action action = list_.Make(ActionKind::kDeleteShard, *candidate);
      action.declare_as.type = candidate->queue->type == "quorum" ? QueueType::kQuorum : QueueType::kClassic;
      list_.Add(std::move(action));
    }
  }

  StreamContext& context_;
  const BindingChoice& binding_;
  std::vector<Action>& actions_;
  ActionList list_;
  PlacePlanner places_;
  std::set<const Candidate*> bound_now_;  ///< By this plan.
  int serving_ = 0;                       ///< Shards that serve for sure, less those that this plan unbinds.
  bool growing_ = false;                  ///< Shards are still to be declared or bound.
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

}  // namespace warren
