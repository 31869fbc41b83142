// The time that observations carry, and by which they are compared.
#pragma once

#include <chrono>
#include <cstdint>

namespace warren {

/// Unix time in milliseconds as it was when the program first asked, and from then on by the monotonic clock: a step of
/// the wall clock must not make one observation seem older or much younger than another. Safe from any thread.
inline std::int64_t UnixNowMs() {
  using std::chrono::duration_cast;
  using std::chrono::milliseconds;
  static const auto kWall = std::chrono::system_clock::now().time_since_epoch();
  static const auto kSteady = std::chrono::steady_clock::now();
  return duration_cast<milliseconds>(kWall + (std::chrono::steady_clock::now() - kSteady)).count();
}

}  // namespace warren
