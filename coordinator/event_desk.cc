// See event_desk.h.
#include "coordinator/event_desk.h"

#include <algorithm>

#include "shardmgr/plan/naming.h"

namespace warren::coordinator {
namespace {

constexpr std::chrono::seconds kExpectFor{30};
/// More than these between two observations are no drift but a cluster that changes; the rest is dropped.
constexpr std::size_t kMostUnbindings = 100'000;

}  // namespace

void EventDesk::OnEvent(const ClusterEvent& event) {
  std::shared_ptr<const PlanBasis> basis;
  {
    const std::lock_guard lock(mutex_);
    basis = basis_;
  }
  if (event.kind == "binding.deleted") NoteUnbinding(event);
  if (basis && !Concerns(*basis, event)) return;
  if (event.kind == "exchange.created" && !IsReservedExchange(event.name)) {
    applier_.NoteDeclared();
    if (basis) ShardAtOnce(*basis, event);
  }
  waker_.Event();
}

void EventDesk::NoteUnbinding(const ClusterEvent& event) {
  if (!IsShardName(event.destination)) return;
  Unbound unbound{event.vhost, {event.source, event.to_queue}, event.destination, event.routing_key};
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  const auto [first, last] = expected_.equal_range(unbound);
  const auto own = std::find_if(first, last, [&](const auto& entry) { return entry.second >= now; });
  if (own != last) {
    expected_.erase(own);
  } else if (unbindings_.size() < kMostUnbindings) {
    unbindings_.push_back(std::move(unbound));
  }
}

void EventDesk::ShardAtOnce(const PlanBasis& basis, const ClusterEvent& created) {
  if (!applier_.CanTry({created.vhost, created.name})) return;
  const auto plan = PlanNewExchange(basis, created);
  if (!plan) return;
  (void)applier_.TryApply(*plan, [this](const StreamOutcome& outcome) {
    on_applied_(outcome);
    waker_.Event();  // What is missing, and whether it is as it should be, an observation tells.
  });
}

void EventDesk::SetBasis(std::shared_ptr<const PlanBasis> basis) {
  const std::lock_guard lock(mutex_);
  basis_.swap(basis);  // The old one goes after the lock.
}

void EventDesk::ExpectUnbindings(const Plan& plan) {
  const auto now = Clock::now();
  const std::lock_guard lock(mutex_);
  std::erase_if(expected_, [&](const auto& entry) { return entry.second < now; });
  for (const StreamPlan& stream : plan.streams) {
    for (const Action& action : stream.actions) {
      if (action.kind != ActionKind::kUnbindShard && action.kind != ActionKind::kUnbindExchange) continue;
      const BindingSource source{action.exchange, action.kind == ActionKind::kUnbindShard};
      expected_.emplace(Unbound{action.vhost, source, action.queue, action.routing_key}, now + kExpectFor);
    }
  }
}

std::vector<EventDesk::Unbound> EventDesk::TakeUnbindings() {
  const std::lock_guard lock(mutex_);
  return std::exchange(unbindings_, {});
}

}  // namespace warren::coordinator
