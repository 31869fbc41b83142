// Weights on a consistent-hash exchange: what to write into a binding for what was asked for.
//
// Only ratios matter, and the ring costs one entry per unit, so weights are divided by the greatest
// common divisor of all bindings that can be divided. Those of foreign bindings (other people's queues on
// the same exchange) stay as they are, so beside them nothing can be divided without changing the ratio:
// docs/adr/0002-weights-beside-foreign-bindings.md. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace warren {

/// Newer brokers (4.2.6) refuse more, and on older ones the ring costs one entry per unit.
inline constexpr std::uint64_t kMaxBoundWeight = 10'000;

/// The integer of at least 1 that `key` writes in decimal digits (at most 18); nothing for any other text.
std::optional<std::uint64_t> ParseWeight(std::string_view key);

/// What each of the `wanted` weights is divided by: their greatest common divisor, or 1 beside foreign
/// bindings. At least 1.
std::uint64_t CommonDivisor(const std::vector<std::uint64_t>& wanted, const std::vector<std::uint64_t>& foreign);

}  // namespace warren
