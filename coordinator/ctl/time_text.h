// Times as people read them. Pure.
#pragma once

#include <cstdint>
#include <string>

namespace warren::ctl {

/// Unix milliseconds as "2026-01-31 23:59:58Z".
std::string TimeText(std::int64_t unix_ms);

}  // namespace warren::ctl
