// Parameter names: three prefixes and one percent-encoded part.
#include "policies/names.h"

#include <fmt/format.h>

#include <array>
#include <tuple>

namespace warren {

bool IsReservedExchange(std::string_view exchange) {
  if (exchange.empty()) return true;
  constexpr std::array<std::string_view, 4> kPrefixes = {"amq.", "stream: ", "sharding: ", "warren."};
  return std::any_of(kPrefixes.begin(), kPrefixes.end(),
                     [&](std::string_view prefix) { return exchange.starts_with(prefix); });
}

namespace policies {
namespace {

constexpr std::string_view kDefinitionPrefix = "stream-definition.";
constexpr std::string_view kPolicyPrefix = "stream-policy.";
constexpr std::string_view kGlobalPrefix = "stream.";
constexpr std::string_view kNodePrefix = "stream-node.";

bool IsUnreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '~';
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Result<ParameterName> ParsePolicyName(std::string_view parameter) {
  const std::string_view rest = parameter.substr(kPolicyPrefix.size());
  const std::size_t dot = rest.find('.');
  if (dot == std::string_view::npos || dot == 0 || dot + 1 == rest.size()) {
    return Fail(ErrorCode::kInvalid,
                "the name must be stream-policy.<vhost, percent-encoded>.<policy>, as in stream-policy.%2F.my_policy",
                std::string(parameter));
  }
  auto vhost = PercentDecode(rest.substr(0, dot));
  if (!vhost) return tl::unexpected(vhost.error().Within(parameter));
  return ParameterName{ParameterKind::kPolicy, *std::move(vhost), std::string(rest.substr(dot + 1))};
}

}  // namespace

std::string PercentEncode(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    if (IsUnreserved(c)) {
      encoded += c;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    }
  }
  return encoded;
}

Result<std::string> PercentDecode(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const int high = i + 1 < text.size() ? HexDigit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
    if (high < 0 || low < 0) {
      return Fail(ErrorCode::kInvalid,
                  fmt::format("'{}' is not percent-encoded: the '%' at offset {} needs two hexadecimal digits; vhost "
                              "'/' is %2F and a literal '%' is %25",
                              text, i));
    }
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

std::string DefinitionParameterName(std::string_view name) { return fmt::format("{}{}", kDefinitionPrefix, name); }
std::string PolicyParameterName(std::string_view vhost, std::string_view name) {
  return fmt::format("{}{}.{}", kPolicyPrefix, PercentEncode(vhost), name);
}
std::string GlobalParameterName(std::string_view key) { return fmt::format("{}{}", kGlobalPrefix, key); }
std::string NodeParameterName(std::string_view node) { return fmt::format("{}{}", kNodePrefix, node); }

bool IsOurParameter(std::string_view parameter) {
  return parameter.starts_with(kDefinitionPrefix) || parameter.starts_with(kPolicyPrefix) ||
         parameter.starts_with(kGlobalPrefix) || parameter.starts_with(kNodePrefix);
}

Result<ParameterName> ParseParameterName(std::string_view parameter) {
  if (parameter.starts_with(kPolicyPrefix)) return ParsePolicyName(parameter);
  if (!IsOurParameter(parameter)) {
    return Fail(ErrorCode::kInvalid,
                "the name is not one of stream-definition.<name>, stream-policy.<vhost>.<name>, stream-node.<node> and "
                "stream.<key>",
                std::string(parameter));
  }
  const auto [prefix, kind, what] =
      parameter.starts_with(kDefinitionPrefix) ? std::tuple(kDefinitionPrefix, ParameterKind::kDefinition, "name")
      : parameter.starts_with(kNodePrefix)     ? std::tuple(kNodePrefix, ParameterKind::kNode, "node's name")
                                               : std::tuple(kGlobalPrefix, ParameterKind::kGlobal, "key");
  const std::string_view name = parameter.substr(prefix.size());
  if (name.empty()) {
    return Fail(ErrorCode::kInvalid, fmt::format("a {} is expected after the dot", what), std::string(parameter));
  }
  return ParameterName{kind, {}, std::string(name)};
}

std::string Describe(const ParameterName& name) {
  switch (name.kind) {
    case ParameterKind::kDefinition: return fmt::format("stream definition '{}'", name.name);
    case ParameterKind::kPolicy: return fmt::format("stream policy '{}' of vhost '{}'", name.name, name.vhost);
    case ParameterKind::kGlobal: return fmt::format("global default 'stream.{}'", name.name);
    case ParameterKind::kNode: return fmt::format("stream node '{}'", name.name);
  }
  return name.name;
}

}  // namespace policies
}  // namespace warren
