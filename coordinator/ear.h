// Ear: how well the consumers of one vhost are heard, and since when: whether their silence says anything, and whether
// a coordinator knows all of them that there are, so that it may share out the shards. Times are Unix milliseconds.
// Pure; one thread.
#pragma once

#include <algorithm>
#include <cstdint>

namespace warren::coordinator {

class Ear {
 public:
  /// Consumers to whom nobody speaks say hello each second, those that a coordinator answers each ten, and seven after
  /// its last word.
  static constexpr std::int64_t kListenMs = 1'200;
  static constexpr std::int64_t kAllHelloMs = 10'500;
  static constexpr std::int64_t kAfterLeaderMs = 8'000;
  static constexpr std::int64_t kDeafMs = 10'000;  ///< After so long who is there may be others than before.

  /// Whether consumers can be heard now. True: from now on they can, so that silence counts from here.
  bool Update(bool hears, std::int64_t now_ms) {
    if (hears == hears_) return false;
    hears_ = hears;
    if (!hears) {
      deaf_since_ms_ = now_ms;
    } else if (since_ms_ == 0 || now_ms - deaf_since_ms_ > kDeafMs) {
      since_ms_ = now_ms;
      served_ = false;
    }
    return hears;
  }

  /// A hello of a consumer that was last heard at `before_ms` (0: never). One that has shards already when it is first
  /// heard was told so by another coordinator, and there may be more of its kind.
  void Heard(bool holds, std::int64_t before_ms) { served_ = served_ || (holds && before_ms < since_ms_); }

  bool hears() const { return hears_; }

  /// Whether consumers may be there of whom one that leads since `lead_ms` has not heard yet.
  bool IsTooEarly(std::int64_t lead_ms, std::int64_t now_ms) const {
    if (since_ms_ == 0) return true;
    return now_ms < (served_ ? KnowsAllMs(lead_ms) : since_ms_ + kListenMs);
  }

  /// Whether consumers may still tell for the first time what they were told by whoever led before.
  bool IsFresh(std::int64_t lead_ms, std::int64_t now_ms) const {
    return now_ms < std::max(since_ms_, lead_ms) + kAllHelloMs;
  }

 private:
  std::int64_t KnowsAllMs(std::int64_t lead_ms) const {
    return std::min(since_ms_ + kAllHelloMs, std::max(since_ms_, lead_ms) + kAfterLeaderMs);
  }

  bool hears_ = false;
  std::int64_t since_ms_ = 0;  ///< 0: nobody was ever heard.
  std::int64_t deaf_since_ms_ = 0;
  bool served_ = false;  ///< A consumer had shards when it was first heard.
};

}  // namespace warren::coordinator
