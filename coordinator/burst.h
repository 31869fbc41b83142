// Burst: when to look, after events that come in bursts. A look is due once it was quiet for a moment, or a
// while after the first, and not sooner after the last look than that one's cost allows. Pure; one thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

namespace warren::coordinator {

class Burst {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::milliseconds kQuiet{20};
  static constexpr std::chrono::milliseconds kLongest{200};
  static constexpr std::chrono::milliseconds kBetweenLooks{300};

  void Event(Time now) {
    if (!first_) first_ = now;
    last_ = now;
  }

  /// A look began at `began` and ended at `ended`: what came before it began is dealt with.
  void Looked(Time began, Time ended) {
    if (first_ && last_ < began) first_.reset();
    if (first_) first_ = std::max(*first_, began);
    // At most half of the time is spent on looking, however long a look takes.
    earliest_ = std::max(began + kBetweenLooks, ended + (ended - began));
  }

  /// When to look; nothing: no event waits.
  std::optional<Time> due() const {
    if (!first_) return std::nullopt;
    return std::max(earliest_, std::min(last_ + kQuiet, *first_ + kLongest));
  }

 private:
  std::optional<Time> first_;
  Time last_{};
  Time earliest_{};
};

}  // namespace warren::coordinator
