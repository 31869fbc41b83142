// Shard names: read from the end, since an exchange's name may hold the separator.
#include "shardmgr/plan/naming.h"

#include <fmt/format.h>

namespace warren {
namespace {

constexpr std::string_view kSeparator = " - ";
constexpr std::string_view kAlternateSuffix = " alternate";
constexpr std::size_t kMaxIndexDigits = 9;  // fits an int

std::string_view Prefix(NameStyle style) { return style == NameStyle::kSharding ? "sharding: " : "stream: "; }

/// Cuts what follows the last separator off `text`; nothing when either part would be empty.
std::optional<std::string_view> CutLast(std::string_view& text) {
  const std::size_t at = text.rfind(kSeparator);
  if (at == std::string_view::npos || at == 0) return std::nullopt;
  const std::string_view last = text.substr(at + kSeparator.size());
  text.remove_suffix(text.size() - at);
  return last.empty() ? std::nullopt : std::optional(last);
}

std::optional<int> ParseIndex(std::string_view digits) {
  const bool canonical = digits.size() <= kMaxIndexDigits &&
                         digits.find_first_not_of("0123456789") == std::string_view::npos &&
                         (digits.size() == 1 || digits.front() != '0');
  return canonical ? std::optional(std::stoi(std::string(digits))) : std::nullopt;
}

}  // namespace

std::string ShardNamePrefix(std::string_view exchange, NameStyle style) {
  return fmt::format("{}{}{}", Prefix(style), exchange, kSeparator);
}

std::string ShardName(std::string_view exchange, std::string_view node, int index, NameStyle style) {
  return fmt::format("{}{}{}{}", ShardNamePrefix(exchange, style), node, kSeparator, index);
}

std::optional<ShardQueueName> ParseShardQueueName(std::string_view queue) {
  for (const NameStyle style : {NameStyle::kStream, NameStyle::kSharding}) {
    if (!queue.starts_with(Prefix(style))) continue;
    std::string_view rest = queue.substr(Prefix(style).size());
    const auto digits = CutLast(rest);
    const auto index = digits ? ParseIndex(*digits) : std::nullopt;
    const auto node = CutLast(rest);
    if (!index || !node || rest.empty()) return std::nullopt;
    return ShardQueueName{style, std::string(rest), std::string(*node), *index};
  }
  return std::nullopt;
}

std::string AlternateName(std::string_view shard) { return fmt::format("{}{}", shard, kAlternateSuffix); }

std::string_view ShardOfAlternate(std::string_view exchange) {
  if (!exchange.ends_with(kAlternateSuffix)) return {};
  exchange.remove_suffix(kAlternateSuffix.size());
  return IsShardName(exchange) ? exchange : std::string_view();
}

bool IsShardName(std::string_view queue) { return ParseShardQueueName(queue).has_value(); }

std::optional<ShardNameParts> ParseShardName(std::string_view queue, std::string_view exchange, NameStyle style) {
  if (!queue.starts_with(Prefix(style))) return std::nullopt;
  auto name = ParseShardQueueName(queue);
  if (!name || name->exchange != exchange) return std::nullopt;
  return ShardNameParts{std::move(name->node), name->index};
}

}  // namespace warren
