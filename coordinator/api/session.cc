// See session.h.
#include "coordinator/api/session.h"

#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <optional>

#include "shardmgr/program/logging.h"

namespace warren::coordinator {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using beast::error_code;
using boost::asio::ip::tcp;

constexpr std::chrono::seconds kReadTimeout{
    30};  // For the next request to begin and its header to end; for its content.
constexpr std::chrono::seconds kWriteTimeout{60};
constexpr std::chrono::seconds kLingerTimeout{2};
constexpr std::size_t kMostLingerBytes = 16 * kMostContentBytes;
constexpr std::size_t kBufferBytes = 64 * 1024;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

using RequestFields = http::request<http::string_body>;

/// All values of a field, in order.
std::string Values(const RequestFields& request, http::field field) {
  std::string joined;
  const auto [first, last] = request.equal_range(field);
  for (auto value = first; value != last; ++value) {
    if (value != first) joined += ", ";
    joined += value->value();
  }
  return joined;
}

/// Nothing: the request line or Host is not what RFC 9112 3.2 allows here.
std::optional<ApiRequest> RequestOf(const RequestFields& message) {
  ApiRequest request;
  request.method = message.method_string();
  request.host = Values(message, http::field::host);
  const std::size_t hosts = message.count(http::field::host);
  if (hosts > 1 || (hosts == 0 && message.version() >= 11)) return std::nullopt;
  std::string_view target = message.target();
  if (constexpr std::string_view kHttp = "http://"; target.starts_with(kHttp)) {  // Absolute form: it wins over Host.
    const auto path = std::min(target.find_first_of("/?", kHttp.size()), target.size());
    request.host = target.substr(kHttp.size(), path - kHttp.size());
    target.remove_prefix(path);
    if (target.empty()) target = "/";
  }
  if (!target.starts_with('/')) return std::nullopt;
  const auto question = std::min(target.find('?'), target.size());
  request.path = target.substr(0, question);
  request.query = target.substr(std::min(question + 1, target.size()));
  request.origin = Values(message, http::field::origin);
  request.authorization = Values(message, http::field::authorization);
  request.accept = Values(message, http::field::accept);
  request.content_type = Values(message, http::field::content_type);
  request.body = message.body();
  return request;
}

/// The answer to what cannot be read; nothing: the connection is gone, or was silent for too long.
std::optional<ApiResponse> Unreadable(const error_code& error) {
  if (error == http::error::end_of_stream || error == http::error::partial_message) return std::nullopt;
  if (error == http::error::body_limit)
    return Problem(413, "the content is longer than " + std::to_string(kMostContentBytes) + " bytes");
  if (error == http::error::header_limit || error == http::error::buffer_overflow)
    return Problem(431, "request line and fields are longer than " + std::to_string(kMostHeaderBytes) + " bytes");
  if (error.category() == http::make_error_code(http::error::bad_method).category())
    return Problem(400, "this is no HTTP/1.1 request: " + error.message());
  return std::nullopt;
}

/// What `later` gives, or 500 where it throws.
ApiResponse Finish(const std::function<ApiResponse()>& later) {
  try {
    return later();
  } catch (const std::exception& error) {
    program::Log(program::LogLevel::kError, "a request of the REST API could not be answered",
                 {{"error", error.what()}});
    return Problem(500, "this is a fault of the coordinator's own; its log says more");
  }
}

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, std::shared_ptr<ApiSite> site) : stream_(std::move(socket)), site_(std::move(site)) {
    ++site_->connections;
  }
  ~Session() { --site_->connections; }

  void ReadHead() {
    parser_.emplace();
    parser_->header_limit(kMostHeaderBytes);
    parser_->body_limit(kMostContentBytes);
    stream_.expires_after(kReadTimeout);
    http::async_read_header(stream_, buffer_, *parser_, [self = shared_from_this()](error_code error, std::size_t) {
      if (error) return self->Refuse(error);
      const bool asks = beast::iequals(self->parser_->get()[http::field::expect], "100-continue");
      asks ? self->InviteContent() : self->ReadContent();
    });
  }

 private:
  void InviteContent() {
    boost::asio::async_write(stream_, boost::asio::buffer(kContinue),
                             [self = shared_from_this()](error_code error, std::size_t) {
                               if (!error) self->ReadContent();
                             });
  }

  void ReadContent() {
    stream_.expires_after(kReadTimeout);
    http::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](error_code error, std::size_t) {
      error ? self->Refuse(error) : self->Answer();
    });
  }

  void Refuse(const error_code& error) {
    stays_ = false;
    if (const auto answer = Unreadable(error)) Write(*answer);
  }

  void Answer() {
    const auto request = RequestOf(parser_->get());
    stays_ = request && parser_->get().keep_alive();
    if (!request) return Write(Problem(400, "a request has one Host and a target that begins with '/'"));
    const ApiResponse answer = Finish([&] { return site_->answer(*request); });
    if (!answer.later) return Write(answer);
    stream_.expires_never();
    // A session ends on the server's thread: the clerk's part in it goes there with the answer.
    const bool taken = site_->clerk->Take([self = shared_from_this(), later = answer.later]() mutable {
      const auto executor = self->stream_.get_executor();
      boost::asio::post(executor, [self = std::move(self), made = Finish(later)] { self->Write(made); });
    });
    if (!taken) Write(Problem(503, "too many requests wait for the broker; try again"));
  }

  void Write(const ApiResponse& answer) {
    serializer_.reset();
    response_ = {};
    response_.version(11);
    response_.result(static_cast<unsigned>(answer.status));
    response_.set(http::field::server, "warren");
    response_.set(http::field::cache_control, "no-store");
    response_.set("X-Content-Type-Options", "nosniff");
    for (const auto& [field, value] : answer.fields) response_.set(field, value);
    if (!answer.content_type.empty()) response_.set(http::field::content_type, answer.content_type);
    response_.keep_alive(stays_);
    response_.body() = answer.body;
    if (answer.status != 204) response_.prepare_payload();
    stream_.expires_after(kWriteTimeout);
    const auto next = [self = shared_from_this()](error_code error, std::size_t) {
      self->serializer_.reset();
      self->response_ = {};  // A large one is not kept while nothing is asked.
      if (!error) self->stays_ ? self->ReadHead() : self->Linger();
    };
    serializer_.emplace(response_);
    // The header alone says how long the content is that HEAD leaves out.
    if (parser_->get().method() == http::verb::head) return http::async_write_header(stream_, *serializer_, next);
    http::async_write(stream_, *serializer_, next);
  }

  /// Reads on for a while what the client still sends: a socket closed before would take the answer with it.
  void Linger() {
    error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    stream_.expires_after(kLingerTimeout);
    Discard(kMostLingerBytes);
  }

  void Discard(std::size_t left) {
    buffer_.clear();
    stream_.async_read_some(buffer_.prepare(kBufferBytes),
                            [self = shared_from_this(), left](error_code error, std::size_t bytes) {
                              if (!error && bytes < left) self->Discard(left - bytes);
                            });
  }

  beast::tcp_stream stream_;
  std::shared_ptr<ApiSite> site_;
  beast::flat_buffer buffer_{kBufferBytes};
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> response_;
  std::optional<http::response_serializer<http::string_body>> serializer_;
  bool stays_ = true;  ///< Whether the connection is kept after the answer.
};

}  // namespace

void ServeApi(tcp::socket socket, std::shared_ptr<ApiSite> site) {
  if (site->connections >= kMostApiConnections) return;
  std::make_shared<Session>(std::move(socket), std::move(site))->ReadHead();
}

}  // namespace warren::coordinator
