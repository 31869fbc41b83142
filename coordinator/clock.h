// The clock as the coordinator's values carry it.
#pragma once

#include <cstdint>

#include "shardmgr/broker/clock.h"

namespace warren::coordinator {

/// Unix time in milliseconds that never steps; see UnixNowMs.
inline std::int64_t NowMs() { return UnixNowMs(); }

}  // namespace warren::coordinator
