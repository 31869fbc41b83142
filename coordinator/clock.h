// The wall clock as the coordinator's values carry it.
#pragma once

#include <chrono>
#include <cstdint>

namespace warren::coordinator {

/// Unix time in milliseconds.
inline std::int64_t NowMs() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

}  // namespace warren::coordinator
