// Serves /metrics, /healthz and /readyz with Boost.Beast: see admin_server.h.
#include "shardmgr/program/admin_server.h"

#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <thread>

#include "shardmgr/program/logging.h"

namespace warren::program {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::asio::ip::tcp;

constexpr std::size_t kMostConnections = 64;
constexpr std::uint32_t kHeaderLimitBytes = 8 * 1024;
constexpr std::chrono::seconds kIdleTimeout{30};
constexpr std::chrono::milliseconds kAcceptPause{100};

using Request = http::request<http::empty_body>;
using Response = http::response<http::string_body>;

/// Everything a session needs of the server.
struct Site {
  std::shared_ptr<Metrics> metrics;
  std::function<Readiness()> readiness;
  std::size_t connections = 0;
};

Response Answer(const Site& site, const Request& request) {
  Response response{http::status::ok, request.version()};
  response.set(http::field::server, "warren");
  response.set(http::field::content_type, "application/json");
  response.keep_alive(request.keep_alive());
  const std::string target(request.target());
  const std::string path = target.substr(0, target.find('?'));
  if (path != "/metrics" && path != "/healthz" && path != "/readyz") {
    response.result(http::status::not_found);
    response.body() = R"({"status":"not found","paths":["/metrics","/healthz","/readyz"]})";
  } else if (request.method() != http::verb::get && request.method() != http::verb::head) {
    response.result(http::status::method_not_allowed);
    response.set(http::field::allow, "GET, HEAD");
    response.body() = R"({"status":"method not allowed"})";
  } else if (path == "/metrics") {
    response.set(http::field::content_type, "text/plain; version=0.0.4; charset=utf-8");
    response.body() = site.metrics->Serialize();
  } else if (path == "/healthz") {
    response.body() = R"({"status":"ok"})";
  } else {
    const Readiness readiness = site.readiness();
    if (!readiness.ready) response.result(http::status::service_unavailable);
    response.body() = ReadinessJson(readiness);
  }
  response.prepare_payload();
  return response;
}

/// One connection. Lives as long as an operation of its own is pending.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, std::shared_ptr<Site> site) : stream_(std::move(socket)), site_(std::move(site)) {
    ++site_->connections;
  }
  ~Session() { --site_->connections; }

  void Read() {
    parser_.emplace();
    parser_->header_limit(kHeaderLimitBytes);
    parser_->body_limit(0);
    stream_.expires_after(kIdleTimeout);
    http::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (!error) self->Write();
    });
  }

 private:
  void Write() {
    response_ = Answer(*site_, parser_->get());
    stream_.expires_after(kIdleTimeout);
    const auto next = [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (!error && self->response_.keep_alive()) self->Read();
    };
    if (parser_->get().method() != http::verb::head) return http::async_write(stream_, response_, next);
    head_.emplace(response_);  // The header alone, with the length of the body it stands for.
    http::async_write_header(stream_, *head_, next);
  }

  beast::tcp_stream stream_;
  std::shared_ptr<Site> site_;
  beast::flat_buffer buffer_{kHeaderLimitBytes * 2};
  std::optional<http::request_parser<http::empty_body>> parser_;
  Response response_;
  std::optional<http::response_serializer<http::string_body>> head_;
};

}  // namespace

class AdminServer::Impl {
 public:
  Impl(std::shared_ptr<Metrics> metrics, std::function<Readiness()> readiness)
      : acceptor_(io_), pause_(io_), site_(std::make_shared<Site>(Site{std::move(metrics), std::move(readiness)})) {}

  ~Impl() {
    io_.stop();
    if (thread_.joinable()) thread_.join();
  }

  Result<void> Listen(const Address& wanted) {
    beast::error_code error;
    const auto ip = boost::asio::ip::make_address(wanted.host == "localhost" ? "127.0.0.1" : wanted.host, error);
    const tcp::endpoint endpoint(ip, wanted.port);
    if (!error) acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(boost::asio::socket_base::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(boost::asio::socket_base::max_listen_connections, error);
    if (error) {
      return Fail(ErrorCode::kConfiguration, "cannot listen: " + error.message() + "; give another --metrics-listen",
                  wanted.ToString());
    }
    const auto local = acceptor_.local_endpoint();
    address_ = Address{local.address().to_string(), local.port()};
    Accept();
    thread_ = std::thread([this] { io_.run(); });
    return {};
  }

  const Address& address() const { return address_; }

 private:
  void Accept() {
    acceptor_.async_accept([this](beast::error_code error, tcp::socket socket) {
      if (!error && site_->connections < kMostConnections) {
        std::make_shared<Session>(std::move(socket), site_)->Read();
      }
      if (!error) return Accept();
      pause_.expires_after(kAcceptPause);  // Out of descriptors, most likely: try again a little later.
      pause_.async_wait([this](beast::error_code) { Accept(); });
    });
  }

  boost::asio::io_context io_{1};
  tcp::acceptor acceptor_;
  boost::asio::steady_timer pause_;
  std::shared_ptr<Site> site_;
  Address address_;
  std::thread thread_;
};

AdminServer::AdminServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AdminServer::~AdminServer() = default;
const Address& AdminServer::address() const { return impl_->address(); }

Result<std::unique_ptr<AdminServer>> AdminServer::Start(const Address& address, std::shared_ptr<Metrics> metrics,
                                                        std::function<Readiness()> readiness) {
  auto impl = std::make_unique<Impl>(std::move(metrics), std::move(readiness));
  if (auto listening = impl->Listen(address); !listening) return tl::unexpected(listening.error());
  Log(LogLevel::kInfo, "metrics and health", {{"address", "http://" + impl->address().ToString()}});
  return std::unique_ptr<AdminServer>(new AdminServer(std::move(impl)));
}

std::string ReadinessJson(const Readiness& readiness) {
  nlohmann::json body{{"status", readiness.ready ? "ready" : "not ready"}};
  if (!readiness.reason.empty()) body["reason"] = readiness.reason;
  return body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace warren::program
