// DeclarePace: how many streams may be worked on at once while clients declare exchanges. What Warren declares and
// binds goes through the same transactions of the broker as a client's exchange.declare, which would wait behind it:
// while they come in a burst, Warren waits until it is over, then takes all that the broker has. A burst that does not
// end is waited for only so long; then one stream at a time goes on beside it. Pure; one thread.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <limits>
#include <optional>

namespace warren::coordinator {

class DeclarePace {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::size_t kFew = 4;                        ///< Declarations within kWindow that are no burst.
  static constexpr std::chrono::milliseconds kWindow{250};      ///< See kFew.
  static constexpr std::chrono::milliseconds kQuiet{150};       ///< Without a declaration: the burst is over.
  static constexpr std::chrono::milliseconds kLongest{10'000};  ///< That work waits for a burst.

  struct Verdict {
    std::size_t at_once = std::numeric_limits<std::size_t>::max();  ///< Streams, at most.
    std::optional<Time> until;                                      ///< When to ask again; unset: no limit now.
  };

  /// A client has declared an exchange.
  void Declared(Time now) {
    if (began_ && now - last_ > kQuiet) began_.reset();
    Time& oldest = recent_[next_];
    next_ = (next_ + 1) % recent_.size();
    if (!began_ && oldest != Time{} && now - oldest <= kWindow) began_ = now;
    oldest = last_ = now;
  }

  Verdict At(Time now) const {
    if (!began_ || now - last_ > kQuiet) return {};
    const Time quiet = last_ + kQuiet + std::chrono::milliseconds(1);
    const Time longest = *began_ + kLongest;
    if (now >= longest) return {1, quiet};
    return {0, std::min(quiet, longest)};
  }

 private:
  std::array<Time, kFew> recent_{};  ///< The last declarations, as a ring.
  std::size_t next_ = 0;
  Time last_{};
  std::optional<Time> began_;  ///< The burst that goes on, or the last one.
};

}  // namespace warren::coordinator
