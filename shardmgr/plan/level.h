// LevelOut: puts items into bins so that the loads of the bins come as close to each other as they can, and as many
// items as possible stay where they would rather be. Pure, total, deterministic; O((bins + items) log bins).
#pragma once

#include <cstddef>
#include <vector>

namespace warren {

/// The bin of each item. `loads`: what the bins hold without the items; each item adds one, and goes to where least is:
/// at the end no bin that got one holds more than one above any other. `wishes`, one list for each item: bins where it
/// would rather be, the best first (others than those of `loads` are ignored). Without bins every item gets `kNoBin`.
inline constexpr std::size_t kNoBin = static_cast<std::size_t>(-1);
std::vector<std::size_t> LevelOut(const std::vector<std::size_t>& loads,
                                  const std::vector<std::vector<std::size_t>>& wishes);

}  // namespace warren
