// Durations, sizes and listening addresses as people write them on a command line. Pure functions.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "policies/error.h"

namespace warren::program {

/// "250ms", "5s", "2m", "1h", or plain seconds ("5", "0.5"). Not negative, at most a year.
Result<std::chrono::milliseconds> ParseDuration(std::string_view text);

/// "16MiB", "64KiB", "1GiB", "16MB" (powers of 1000), "512B", or plain bytes.
Result<std::uint64_t> ParseSize(std::string_view text);

/// Where a server of ours listens. Port 0 asks the system for a free one.
struct Address {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;

  std::string ToString() const;  ///< "host:port", IPv6 in brackets.
  bool is_loopback() const;      ///< 127.0.0.0/8, ::1 or "localhost".
  bool operator==(const Address&) const = default;
};

/// "HOST:PORT", "[::1]:PORT", ":PORT" (every address). Host names other than "localhost" must be IP addresses.
Result<Address> ParseAddress(std::string_view text);

}  // namespace warren::program
