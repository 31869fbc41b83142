// Writing a request, reading a response.
#include "proxy/worker/upstream_exchange.h"

#include <array>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <optional>

#include "proxy/worker/request_head.h"

namespace warren::worker {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

constexpr int kMaxInterimResponses = 16;
using Parser = http::response_parser<http::string_body>;

bool IsInterim(unsigned status) { return status >= 100 && status < 200 && status != 101; }

// Called before the body is read: trailers must not be taken for header fields (RFC 9110 6.5.1).
void FillHead(const Parser& parser, const wire::Request& request, Exchange& exchange) {
  exchange.response.status = static_cast<int>(parser.get().result_int());
  for (const auto& field : parser.get()) {
    const auto name = field.name_string();
    const auto value = field.value();
    exchange.response.fields.push_back(
        {std::string(name.data(), name.size()), std::string(value.data(), value.size())});
  }
  wire::StripHopByHop(exchange.response.fields);
  // Elsewhere the body says it; here there is none.
  const bool length_counts = request.method == "HEAD" || exchange.response.status == 304;
  if (!length_counts) wire::Remove(exchange.response.fields, "content-length");
}

// The head of the final response; interim ones (1xx) are passed over.
asio::awaitable<beast::error_code> ReadHead(UpstreamConnection& connection, std::optional<Parser>& parser, bool is_head,
                                            std::uint64_t max_body_bytes) {
  beast::error_code error;
  for (int interim = 0; interim < kMaxInterimResponses; ++interim) {
    parser.emplace();
    parser->header_limit(kMaxResponseHeadBytes);
    parser->body_limit(max_body_bytes);
    if (is_head) parser->skip(true);
    co_await http::async_read_header(connection.stream, connection.buffer, *parser,
                                     asio::redirect_error(asio::use_awaitable, error));
    if (error || !IsInterim(parser->get().result_int())) break;
  }
  if (!error && parser->get().result_int() < 200) error = http::make_error_code(http::error::bad_status);
  co_return error;
}

ExchangeOutcome OutcomeOf(const beast::error_code& error, bool stale) {
  if (error == beast::error::timeout) return ExchangeOutcome::kTimeout;
  if (error == http::error::body_limit) return ExchangeOutcome::kTooLarge;
  return stale ? ExchangeOutcome::kStale : ExchangeOutcome::kBroken;
}

}  // namespace

asio::awaitable<Exchange> RunExchange(UpstreamConnection& connection, const wire::Request& request,
                                      std::string_view host, std::uint64_t max_body_bytes) {
  Exchange exchange;
  const std::string head = RequestHead(request, host);
  const std::array<asio::const_buffer, 2> message = {asio::buffer(head), asio::buffer(request.body)};
  beast::error_code write_error;
  co_await asio::async_write(connection.stream, message, asio::redirect_error(asio::use_awaitable, write_error));
  // An application may refuse a body before it has read it all: its answer counts all the same.
  std::optional<Parser> parser;
  beast::error_code error;
  if (write_error == beast::error::timeout) {
    error = write_error;
  } else {
    error = co_await ReadHead(connection, parser, request.method == "HEAD", max_body_bytes);
  }
  if (!error) FillHead(*parser, request, exchange);
  if (!error && !parser->is_done()) {
    co_await http::async_read(connection.stream, connection.buffer, *parser,
                              asio::redirect_error(asio::use_awaitable, error));
  }
  if (error) {
    const bool nothing_came = !parser || !parser->got_some();
    exchange.outcome = OutcomeOf(error, connection.reused && nothing_came);
    exchange.detail = error.message();
    co_return exchange;
  }
  exchange.outcome = ExchangeOutcome::kAnswered;
  exchange.keep = !write_error && parser->keep_alive() && connection.buffer.size() == 0;
  exchange.response.body = std::move(parser->get().body());
  co_return exchange;
}

}  // namespace warren::worker
