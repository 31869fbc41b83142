// Durations, sizes and addresses: see units.h.
#include "shardmgr/program/units.h"

#include <array>
#include <boost/asio/ip/address.hpp>
#include <charconv>
#include <cmath>
#include <optional>

namespace warren::program {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

constexpr std::array kDurationUnits = {Unit{"ms", 1}, Unit{"s", 1e3}, Unit{"", 1e3}, Unit{"m", 60e3},
                                       Unit{"h", 3600e3}};
constexpr std::array kSizeUnits = {Unit{"", 1},          Unit{"B", 1},         Unit{"KiB", 1 << 10},
                                   Unit{"MiB", 1 << 20}, Unit{"GiB", 1 << 30}, Unit{"KB", 1e3},
                                   Unit{"kB", 1e3},      Unit{"MB", 1e6},      Unit{"GB", 1e9}};
constexpr double kYearMs = 365.0 * 24 * 3600e3;
constexpr double kLargestSize = 9e15;  // Exact in a double.

/// Number and unit as one number, or nothing.
template <std::size_t N>
std::optional<double> Scale(std::string_view text, const std::array<Unit, N>& units) {
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, code] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (code != std::errc() || !(number >= 0)) return std::nullopt;
  const std::string_view name(rest, static_cast<std::size_t>(end - rest));
  for (const Unit& unit : units) {
    if (unit.name == name) return number * unit.factor;
  }
  return std::nullopt;
}

}  // namespace

Result<std::chrono::milliseconds> ParseDuration(std::string_view text) {
  const auto ms = Scale(text, kDurationUnits);
  if (!ms || *ms > kYearMs) {
    return Fail(ErrorCode::kUsage, "'" + std::string(text) + "' is not a duration; write it like 250ms, 5s, 2m or 1h");
  }
  return std::chrono::milliseconds(static_cast<std::int64_t>(std::ceil(*ms)));
}

Result<std::uint64_t> ParseSize(std::string_view text) {
  const auto bytes = Scale(text, kSizeUnits);
  if (!bytes || *bytes > kLargestSize) {
    return Fail(ErrorCode::kUsage, "'" + std::string(text) + "' is not a size; write it like 512, 64KiB or 16MiB");
  }
  return static_cast<std::uint64_t>(*bytes);
}

std::string Address::ToString() const {
  const bool v6 = host.find(':') != std::string::npos;
  return (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

bool Address::is_loopback() const {
  if (host == "localhost") return true;
  boost::system::error_code error;
  const auto ip = boost::asio::ip::make_address(host, error);
  return !error && ip.is_loopback();
}

Result<Address> ParseAddress(std::string_view text) {
  const auto wrong = [&](const char* why) {
    return Fail(ErrorCode::kUsage, "'" + std::string(text) + "' is not an address to listen on (" + why +
                                       "); write it like 127.0.0.1:8080, [::1]:8080 or :8080");
  };
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong("no port");
  std::string_view host = text.substr(0, colon);
  const std::string_view port_text = text.substr(colon + 1);

  Address address;
  const auto [end, code] = std::from_chars(port_text.data(), port_text.data() + port_text.size(), address.port);
  if (code != std::errc() || end != port_text.data() + port_text.size()) return wrong("the port is 0 to 65535");
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (!bracketed && host.find(':') != std::string_view::npos) return wrong("IPv6 addresses stand in brackets");

  address.host = host.empty() ? "0.0.0.0" : std::string(host);
  boost::system::error_code error;
  boost::asio::ip::make_address(address.host, error);
  if (error && address.host != "localhost") return wrong("the host is an IP address or localhost");
  return address;
}

}  // namespace warren::program
