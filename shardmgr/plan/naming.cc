// Shard names. The exchange's name is given, so nothing has to be guessed about where it ends.
#include "shardmgr/plan/naming.h"

#include <fmt/format.h>

namespace warren {
namespace {

constexpr std::string_view kSeparator = " - ";
constexpr std::size_t kMaxIndexDigits = 9;  // fits an int

}  // namespace

std::string ShardNamePrefix(std::string_view exchange) { return fmt::format("stream: {}{}", exchange, kSeparator); }

std::string ShardName(std::string_view exchange, std::string_view node, int index) {
  return fmt::format("{}{}{}{}", ShardNamePrefix(exchange), node, kSeparator, index);
}

std::optional<ShardNameParts> ParseShardName(std::string_view queue, std::string_view exchange) {
  const std::string prefix = ShardNamePrefix(exchange);
  if (!queue.starts_with(prefix)) return std::nullopt;
  const std::string_view rest = queue.substr(prefix.size());
  const std::size_t separator = rest.rfind(kSeparator);
  if (separator == std::string_view::npos || separator == 0) return std::nullopt;
  const std::string_view digits = rest.substr(separator + kSeparator.size());
  const bool canonical = !digits.empty() && digits.size() <= kMaxIndexDigits &&
                         digits.find_first_not_of("0123456789") == std::string_view::npos &&
                         (digits.size() == 1 || digits.front() != '0');
  if (!canonical) return std::nullopt;
  return ShardNameParts{std::string(rest.substr(0, separator)), std::stoi(std::string(digits))};
}

}  // namespace warren
