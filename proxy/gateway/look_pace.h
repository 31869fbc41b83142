// LookPace: when to look at the cluster next: soon after events, which come in bursts; at the latest when the last look
// is so old; and with growing pauses while looking fails. No more than a quarter of the time is spent on looks, or half
// where they take longer than they are to be apart.
// Pure; one thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

namespace warren::gateway {

class LookPace {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::milliseconds;
  static constexpr Duration kQuiet{50};          ///< A burst is over after so long without an event.
  static constexpr Duration kBetweenLooks{300};  ///< From the beginning of one to that of the next.
  static constexpr Duration kFirstPause{200};    ///< After a failure; doubled with each that follows.

  LookPace(Duration refresh, Time now) : refresh_(refresh), earliest_(now), latest_(now) {}

  /// Something has changed.
  void Event(Time now) {
    if (!first_) first_ = now;
    last_ = now;
  }

  /// A look is over. Events that came after it had begun are not dealt with.
  void Looked(Time began, Time ended, bool good) {
    if (good && first_ && last_ < began) first_.reset();
    if (first_) first_ = std::max(*first_, began);
    if (good) {
      const auto took = std::chrono::ceil<Duration>(ended - began);
      pause_ = kFirstPause;
      earliest_ = std::max(began + kBetweenLooks, ended + std::min(3 * took, std::max(took, refresh_)));
      latest_ = std::max(earliest_, began + refresh_);
      return;
    }
    // What failed by waiting for an answer has waited long enough.
    earliest_ = latest_ = std::max(began + kBetweenLooks, ended + pause_);
    pause_ = std::min(2 * pause_, std::max(refresh_, kFirstPause));
  }

  Time due() const {
    if (!first_) return latest_;
    return std::min(latest_, std::max(earliest_, std::min(last_ + kQuiet, *first_ + kBetweenLooks)));
  }

 private:
  const Duration refresh_;
  Duration pause_ = kFirstPause;
  std::optional<Time> first_;  ///< Of the events that no look has dealt with.
  Time last_{};
  Time earliest_, latest_;
};

}  // namespace warren::gateway
