// Integers in strings, and their greatest common divisor.
#include "shardmgr/plan/weights.h"

#include <numeric>
#include <string>

namespace warren {

std::optional<std::uint64_t> ParseWeight(std::string_view key) {
  constexpr std::size_t kMaxDigits = 18;
  if (key.empty() || key.size() > kMaxDigits || key.find_first_not_of("0123456789") != std::string_view::npos) {
    return std::nullopt;
  }
  const std::uint64_t weight = std::stoull(std::string(key));
  return weight == 0 ? std::nullopt : std::optional(weight);
}

std::uint64_t CommonDivisor(const std::vector<std::uint64_t>& wanted, const std::vector<std::uint64_t>& foreign) {
  if (!foreign.empty()) return 1;
  std::uint64_t divisor = 0;
  for (const std::uint64_t weight : wanted) divisor = std::gcd(divisor, weight);
  return divisor == 0 ? 1 : divisor;
}

}  // namespace warren
