// Routing keys; see the header.
#include "proxy/http/routing_key.h"

#include <algorithm>

namespace warren::proxy {
namespace {

constexpr std::size_t kMaxKeyBytes = 255;  // A short string.

/// 60 random bits; short enough for a string without memory of its own.
std::string Random(const Token& random) { return std::string(random.Text().data(), 15); }

std::string Bounded(std::string_view value) {
  if (value.size() <= kMaxKeyBytes) return std::string(value);
  std::uint64_t hash = 14'695'981'039'346'656'037u;  // FNV-1a: the same in every proxy and release.
  for (unsigned char c : value) hash = (hash ^ c) * 1'099'511'628'211u;
  return "long-" + std::to_string(hash);
}

}  // namespace

Result<HashOn> ParseHashOn(std::string_view text) {
  using Kind = HashOn::Kind;
  if (text == "random") return HashOn{Kind::kRandom, {}};
  if (text == "path") return HashOn{Kind::kPath, {}};
  if (text == "client-addr") return HashOn{Kind::kClientAddr, {}};
  const auto colon = text.find(':');
  if (colon != text.npos && colon + 1 < text.size()) {
    const auto kind = text.substr(0, colon);
    const auto name = text.substr(colon + 1);
    const bool token = std::all_of(name.begin(), name.end(), [](unsigned char c) { return wire::IsTokenByte(c); });
    if (token && kind == "header") return HashOn{Kind::kHeader, std::string(name)};
    if (token && kind == "cookie") return HashOn{Kind::kCookie, std::string(name)};
  }
  return Fail(ErrorCode::kConfiguration,
              "'" + std::string(text) + "' should be random, path, client-addr, header:NAME or cookie:NAME");
}

std::string_view FindCookie(const wire::RequestHead& head, std::string_view name) {
  for (const auto& field : head.fields) {
    if (!wire::SameName(field.name, "cookie")) continue;
    for (std::string_view rest = field.value; !rest.empty();) {
      const auto end = std::min(rest.find(';'), rest.size());
      const std::string_view pair = wire::TrimBlanks(rest.substr(0, end));
      const auto equals = pair.find('=');
      if (equals != pair.npos && pair.substr(0, equals) == name) return pair.substr(equals + 1);
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return {};
}

std::string MakeRoutingKey(const HashOn& hash_on, const wire::RequestHead& head, std::string_view client_addr,
                           const Token& random) {
  std::string_view value;
  switch (hash_on.kind) {
    case HashOn::Kind::kRandom: break;
    case HashOn::Kind::kPath: value = head.path.front() == '?' ? "/" : head.path.substr(0, head.path.find('?')); break;
    case HashOn::Kind::kClientAddr: value = client_addr; break;
    case HashOn::Kind::kCookie: value = FindCookie(head, hash_on.name); break;
    case HashOn::Kind::kHeader:
      for (const auto& field : head.fields) {
        if (wire::SameName(field.name, hash_on.name)) {
          value = field.value;
          break;
        }
      }
      break;
  }
  return value.empty() ? Random(random) : Bounded(value);
}

}  // namespace warren::proxy
