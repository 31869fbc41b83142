// Serves /metrics, /healthz and /readyz with Boost.Beast: see admin_server.h.
#include "shardmgr/program/admin_server.h"

#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <thread>

#include "shardmgr/program/acceptor.h"
#include "shardmgr/program/logging.h"

namespace warren::program {
namespace {

namespace beast = boost::beast;
namespace http = boost::beast::http;
using boost::asio::ip::tcp;

constexpr std::size_t kMostConnections = 64;
constexpr std::uint32_t kHeaderLimitBytes = 8 * 1024;
constexpr std::chrono::seconds kIdleTimeout{30};

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
      : site_(std::make_shared<Site>(Site{std::move(metrics), std::move(readiness)})),
        acceptor_(io_, [site = site_](Acceptor::Socket socket) {
          if (site->connections < kMostConnections) std::make_shared<Session>(std::move(socket), site)->Read();
        }) {}

  ~Impl() {
    io_.stop();
    if (thread_.joinable()) thread_.join();
  }

  Result<void> Listen(const Address& wanted) {
    auto address = acceptor_.Listen(wanted, "--metrics-listen");
    if (!address) return tl::unexpected(address.error());
    address_ = *address;
    thread_ = std::thread([this] { io_.run(); });
    return {};
  }

  const Address& address() const { return address_; }

 private:
  boost::asio::io_context io_{1};
  std::shared_ptr<Site> site_;
  Acceptor acceptor_;
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
