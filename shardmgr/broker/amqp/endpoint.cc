// Text forms of endpoints.
#include <charconv>

#include "shardmgr/broker/amqp/types.h"

namespace warren::amqp {
namespace {

constexpr std::uint16_t kPlainPort = 5672;
constexpr std::uint16_t kTlsPort = 5671;

// What stands before an '@' may be a password, and is not repeated.
auto Bad(std::string_view text, std::string_view why) {
  const std::size_t at = text.rfind('@');
  const std::string shown = at == std::string_view::npos ? std::string(text) : "…" + std::string(text.substr(at));
  return Fail(ErrorCode::kConfiguration,
              std::string(why) + "; a node is given as HOST:PORT, [IPV6]:PORT or amqps://HOST:PORT", "'" + shown + "'");
}

bool Consume(std::string_view& rest, std::string_view prefix) {
  if (rest.substr(0, prefix.size()) != prefix) return false;
  rest.remove_prefix(prefix.size());
  return true;
}

}  // namespace

std::string Endpoint::ToString() const {
  const bool ipv6 = host.find(':') != std::string::npos;
  return (tls ? "amqps://" : "") + (ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<Endpoint> ParseEndpoint(std::string_view text) {
  Endpoint endpoint;
  std::string_view rest = text;
  endpoint.tls = Consume(rest, "amqps://");
  if (!endpoint.tls && !Consume(rest, "amqp://") && rest.find("://") != std::string_view::npos) {
    return Bad(text, "unknown scheme");
  }
  endpoint.port = endpoint.tls ? kTlsPort : kPlainPort;
  if (!rest.empty() && rest.back() == '/') rest.remove_suffix(1);
  if (rest.find_first_of("/@? \t") != std::string_view::npos) {
    return Bad(text, "user names, vhosts and options have options of their own");
  }
  if (Consume(rest, "[")) {
    const std::size_t end = rest.find(']');
    if (end == std::string_view::npos) return Bad(text, "'[' without ']'");
    endpoint.host = rest.substr(0, end);
    rest.remove_prefix(end + 1);
  } else {
    const std::size_t colon = rest.find(':');
    endpoint.host = rest.substr(0, colon);
    rest.remove_prefix(std::min(colon, rest.size()));
  }
  if (endpoint.host.empty()) return Bad(text, "the host is missing");
  if (rest.empty()) return endpoint;
  if (!Consume(rest, ":")) return Bad(text, "something stands behind the host");
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), endpoint.port);
  if (error != std::errc{} || end != rest.data() + rest.size() || endpoint.port == 0) {
    return Bad(text, "the port is not a number from 1 to 65535");
  }
  return endpoint;
}

}  // namespace warren::amqp
