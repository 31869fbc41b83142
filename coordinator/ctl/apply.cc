// apply: observe, plan and apply through the management API until nothing is left to do. Where a coordinator leads,
// that one acts, and apply watches: two that act on different looks could undo each other's work.
#include <ostream>

#include "coordinator/ctl/command.h"
#include "coordinator/ctl/interrupt.h"
#include "coordinator/ctl/round.h"
#include "coordinator/ctl/world.h"
#include "coordinator/lease_queue.h"

namespace warren::ctl {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// How often the same actions may be planned again after they were done: the broker undoes them.
constexpr int kMostRepeats = 5;
/// A queue that was declared just now, or whose node has come back, is counted after a while.
constexpr milliseconds kCountedAfter{20'000};
/// Between two looks at what a coordinator does.
constexpr milliseconds kWatchPause{500};

DrainCount CountAll(const Plan& plan) {
  DrainCount all;
  for (const StreamPlan& stream : plan.streams) {
    for (const Shard& shard : stream.shards) {
      if (shard.state == ShardState::kDraining) all.Add(shard);
    }
  }
  return all;
}

std::string TextOf(const Plan& plan) {
  std::string text;
  for (const StreamPlan& stream : plan.streams) {
    for (const Action& action : stream.actions) text += stream.vhost + '\0' + action.ToString() + '\n';
  }
  return text;
}

class Run {
 public:
  explicit Run(const Context& context)
      : context_(context),
        observer_(context, LocalUsers::kOwnOnly),
        progress_(context),
        end_(Clock::now() + context.time_limit) {}

  Result<int> ToItsEnd() {
    while (true) {
      auto world = observer_.Look();
      if (!world) return tl::unexpected(world.error());
      const Plan& plan = world->plan;
      if (plan.empty()) {
        if (!WorthWaiting(plan)) return Conclude(plan);
        if (Left() <= milliseconds::zero()) return TimeIsUp(plan);
        progress_.Show(CountAll(plan).ToString() + "; looking again, since counts may be old");
        WaitOrInterrupted(UntilNextLook(plan, Left()));
      } else if (const auto lease = coordinator::FindLease(world->topology); lease && lease->exclusive) {
        if (Left() <= milliseconds::zero()) return TimeIsUp(plan);
        Watch(plan, lease->holder);
      } else if (!DoRound(plan)) {
        return GiveUp(plan);
      } else if (Left() <= milliseconds::zero()) {
        return TimeIsUp(plan);
      }
    }
  }

  const Journal& journal() const { return journal_; }

 private:
  milliseconds Left() const { return std::chrono::duration_cast<milliseconds>(end_ - Clock::now()); }

  void Watch(const Plan& plan, const std::string& leader) {
    const std::string who = leader.empty() ? "a coordinator" : "coordinator " + leader;
    if (leader_.empty()) context_.Say(who + " leads and does this itself; waiting for it");
    leader_ = who;
    last_done_ = Clock::now();
    progress_.Show(who + ": " + Actions(plan.action_count()) + " left");
    WaitOrInterrupted(std::min(kWatchPause, Left()));
  }

  /// A shard may be deleted after a second look; or what is known of the drains is older than what was done last.
  bool WorthWaiting(const Plan& plan) const {
    const DrainCount drains = CountAll(plan);
    if (drains.shards == 0) return false;
    if (plan.next_look_ms()) return true;
    if (drains.uncounted > 0) return Clock::now() < last_done_ + kCountedAfter;
    return (done_ > 0 || !leader_.empty()) &&
           Clock::now() < last_done_ + 2 * milliseconds(context_.statistics_interval_ms);
  }

  /// False: nothing got done, or the same is planned again and again.
  bool DoRound(const Plan& plan) {
    const bool failed_before = !failures_.empty();
    std::string text = TextOf(plan);
    repeats_ = text == done_text_ ? repeats_ + 1 : 0;
    done_text_ = std::move(text);
    Round round = ApplyOnce(context_, plan, progress_, journal_);
    done_ += round.done;
    failures_ = std::move(round.failures);
    last_done_ = Clock::now();
    return round.done > 0 && repeats_ < kMostRepeats && (failures_.empty() || !failed_before);
  }

  int Conclude(const Plan& plan) {
    progress_.Finish();
    WarnOfConditions(context_, plan);
    std::size_t ready = 0, wanted = 0, drains = 0;
    for (const StreamPlan& stream : plan.streams) {
      const DrainCount count = CountDrains(stream);
      drains += count.shards;
      if (count.shards > 0) context_.Warn(Describe(stream) + ": " + count.ToString() + WaitsFor(count));
      if (stream.orphaned()) continue;
      ++wanted;
      ready += stream.ready() ? 1 : 0;
    }
    const std::string what = done_ > 0 ? "Did " + Actions(done_) : leader_.empty() ? "Nothing to do" : "It is done";
    context_.Say(what + "; " + std::to_string(ready) + " of " + std::to_string(wanted) + " streams ready.");
    return ready == wanted && drains == 0 && plan.problems.empty() ? 0 : kPartlyDone;
  }

  static std::string WaitsFor(const DrainCount& count) {
    const bool busy = count.ready + count.unacked + count.consumers > 0;
    return busy ? "; it waits for consumers to take these messages and to go, and is done by a later 'warrenctl apply'"
                : "; a later 'warrenctl apply' goes on";
  }

  Result<int> GiveUp(const Plan& plan) {
    progress_.Finish();
    WarnOfConditions(context_, plan);
    for (const Error& failure : failures_) context_.Complain(failure);
    if (done_ == 0 && !failures_.empty()) return ExitCode(failures_.front().code);
    context_.Warn("did " + Actions(done_) + ", and not all of the plan; 'warrenctl plan' shows what is left");
    return kPartlyDone;
  }

  Result<int> TimeIsUp(const Plan& plan) {
    progress_.Finish();
    for (const Error& failure : failures_) context_.Complain(failure);
    return Fail(ErrorCode::kTimeout,
                "the time was up after " + Actions(done_) + "; " + Actions(plan.action_count()) + " left, and " +
                    CountAll(plan).ToString() +
                    (leader_.empty()
                         ? "; doing it again goes on"
                         : "; they are left to " + leader_ + ", which leads: 'warrenctl events' and its log say more"));
  }

  const Context& context_;
  Observer observer_;
  Progress progress_;
  Clock::time_point end_;
  Clock::time_point last_done_ = Clock::now();  ///< Or when it started.
  std::size_t done_ = 0;
  int repeats_ = 0;
  std::string done_text_;
  std::string leader_;           ///< Who acts instead; empty: nobody.
  std::vector<Error> failures_;  ///< Of the last round.
  Journal journal_;
};

}  // namespace

Result<int> ApplyPlan(const Context& context) {
  Run run(context);
  auto exit_code = run.ToItsEnd();
  if (exit_code || !run.journal().empty()) run.journal().PrintFor(context);
  return exit_code;
}

}  // namespace warren::ctl
