// EventDesk: what the coordinator does with each event: wakes the loop when the event matters, keeps for the
// loop's history which bindings others deleted, and shards a new exchange at once, before the next observation.
//
// Threads: OnEvent on the pool's thread; the rest on the loop's. on_applied on the pool's thread.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "coordinator/apply.h"
#include "coordinator/plan_basis.h"
#include "coordinator/waker.h"

namespace warren::coordinator {

class EventDesk {
 public:
  struct Unbound {
    std::string vhost;
    BindingSource source;
    std::string queue, routing_key;
    auto operator<=>(const Unbound&) const = default;
  };

  EventDesk(Applier& applier, Waker& waker, std::function<void(const StreamOutcome&)> on_applied)
      : applier_(applier), waker_(waker), on_applied_(std::move(on_applied)) {}

  void OnEvent(const ClusterEvent& event);

  /// What events are judged by from now on; null: every event matters, and nothing is done at once.
  void SetBasis(std::shared_ptr<const PlanBasis> basis);
  /// The unbindings that the plan's actions will cause are no news.
  void ExpectUnbindings(const Plan& plan);
  /// Bindings of shards that were deleted by others since the last call.
  std::vector<Unbound> TakeUnbindings();

 private:
  using Clock = std::chrono::steady_clock;

  void NoteUnbinding(const ClusterEvent& event);
  void ShardAtOnce(const PlanBasis& basis, const ClusterEvent& created);

  Applier& applier_;
  Waker& waker_;
  const std::function<void(const StreamOutcome&)> on_applied_;
  std::mutex mutex_;
  std::shared_ptr<const PlanBasis> basis_;
  std::vector<Unbound> unbindings_;
  std::multimap<Unbound, Clock::time_point> expected_;  ///< Until when.
};

}  // namespace warren::coordinator
