// One HTTP/1.1 request and its response on one connection, as a coroutine. Requests are written raw:
// any method, repeated fields, values that are not UTF-8. Boost.Beast parses the response.
//
// Threads: on the executor of the stream.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "proxy/wire/message.h"

namespace warren::worker {

/// Longest head, and longest trailers, of a response. Boost.Beast throws, out of reach of its caller, when one field
/// value is longer than 65,533 bytes: both limits stay below that.
inline constexpr std::size_t kMaxResponseHeadBytes = 60 * 1024;

/// A connection to an application; kept while it can be used again.
struct UpstreamConnection {
  explicit UpstreamConnection(boost::asio::any_io_executor executor) : stream(std::move(executor)) {}
  boost::beast::tcp_stream stream;
  boost::beast::flat_buffer buffer{kMaxResponseHeadBytes};  ///< Its limit is the one that Beast keeps to in trailers.
  bool reused = false;
  std::chrono::steady_clock::time_point idle_since{};
};

enum class ExchangeOutcome {
  kAnswered,
  kStale,  ///< A kept connection had been closed: nothing came back.
  kTimeout,
  kTooLarge,  ///< The response's body is over the limit.
  kBroken,    ///< The connection ended in the middle, or the response is no HTTP.
};

struct Exchange {
  ExchangeOutcome outcome = ExchangeOutcome::kBroken;
  std::string detail;
  bool keep = false;  ///< The connection may be used again.
  wire::Response response;
};

/// Sends `request` and reads its response. The connection's own timer has to be set before.
boost::asio::awaitable<Exchange> RunExchange(UpstreamConnection& connection, const wire::Request& request,
                                             std::string_view host, std::uint64_t max_body_bytes);

}  // namespace warren::worker
