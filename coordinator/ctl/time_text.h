// Times as people read them. Pure.
#pragma once

#include <string>
#include <string_view>

namespace warren::ctl {

/// "2026-01-31T23:59:58.123Z" (RFC 3339, as shardmgr/plan/json.h has it) as "2026-01-31 23:59:58Z"; other text as it
/// is.
std::string TimeText(std::string_view time);

}  // namespace warren::ctl
