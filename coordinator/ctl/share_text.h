// Shares of keys as people read them. Pure.
#pragma once

#include <string>

#include "shardmgr/plan/plan.h"

namespace warren::ctl {

/// "12 %", "12–34 %", "under 1 %", "none": rounded to whole percents, never a share of some to none or to all.
std::string ShareText(const MovedKeys& moved);

}  // namespace warren::ctl
