// Connections, retries and health of the application behind a worker.
#include "proxy/worker/upstream.h"

#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>

#include "proxy/worker/shard_consumer.h"
#include "proxy/worker/upstream_exchange.h"
#include "shardmgr/program/logging.h"

namespace warren::worker {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;

constexpr int kFailuresToUnhealthy = 3;
constexpr std::chrono::seconds kHealthInterval{1};

struct Target {
  UpstreamAddress address;
  std::deque<std::unique_ptr<UpstreamConnection>> idle;
  bool healthy = false;
  int failures = 0;
};

// A kept connection that is readable has been closed, or says what nobody asked for.
bool IsUsable(UpstreamConnection& connection) {
  beast::error_code error;
  char byte = 0;
  tcp::socket& socket = connection.stream.socket();
  socket.non_blocking(true, error);
  socket.receive(asio::buffer(&byte, 1), tcp::socket::message_peek, error);
  return error == asio::error::would_block;
}

std::chrono::milliseconds TimeLeft(const wire::Request& request, std::chrono::milliseconds longest) {
  if (request.deadline_ms <= 0) return longest;
  const auto now =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch());
  return std::clamp(std::chrono::milliseconds(request.deadline_ms) - now, std::chrono::milliseconds(1), longest);
}

class HttpUpstream final : public Upstream {
 public:
  HttpUpstream(asio::any_io_executor executor, UpstreamOptions options, std::function<void(bool)> on_health,
               prometheus::Registry& registry)
      : executor_(executor),
        options_(std::move(options)),
        on_health_(std::move(on_health)),
        timer_(executor),
        errors_(prometheus::BuildCounter()
                    .Name("warren_worker_upstream_errors_total")
                    .Help("Requests that the application gave no response to, by reason.")
                    .Register(registry)) {
    for (UpstreamAddress& address : options_.addresses) targets_.push_back({std::move(address), {}, false, 0});
  }

  void Start() override { asio::co_spawn(executor_, Watch(self()), asio::detached); }

  void Ask(Responder responder) override {
    asio::co_spawn(executor_, Serve(self(), std::move(responder)), asio::detached);
  }

  void Stop() override {
    stopped_ = true;
    on_health_ = nullptr;
    timer_.cancel();
    for (Target& target : targets_) target.idle.clear();
  }

 private:
  std::shared_ptr<HttpUpstream> self() { return std::static_pointer_cast<HttpUpstream>(shared_from_this()); }

  static asio::awaitable<void> Serve(std::shared_ptr<HttpUpstream> self, Responder responder) {
    const wire::Request& request = responder.request();
    const auto end = Clock::now() + TimeLeft(request, self->options_.timeout);
    wire::Response response = co_await self->Exchanged(request, end);
    responder.Answer(std::move(response));
  }

  // Tries the addresses in turn until one takes the connection.
  asio::awaitable<wire::Response> Exchanged(const wire::Request& request, Clock::time_point end) {
    const std::size_t first = next_++;
    for (std::size_t i = 0; i < targets_.size(); ++i) {
      Target& target = targets_[(first + i) % targets_.size()];
      if (!target.healthy && i + 1 < targets_.size()) continue;
      for (bool fresh = false;; fresh = true) {
        std::unique_ptr<UpstreamConnection> connection = fresh ? nullptr : TakeIdle(target);
        if (!connection) connection = co_await Connect(target, end);
        if (!connection) break;
        connection->stream.expires_at(end);
        const std::string_view host = HostFor(target, request);
        Exchange exchange = co_await RunExchange(*connection, request, host, options_.max_body_bytes);
        if (exchange.keep) Keep(target, std::move(connection));
        if (exchange.outcome == ExchangeOutcome::kStale && request.retry_safe && !fresh) continue;
        co_return Answer(std::move(exchange));
      }
    }
    Count(Clock::now() >= end ? "timeout" : "connect");
    co_return PlainResponse(Clock::now() >= end ? 504 : 502, "The application cannot be reached.");
  }

  std::string_view HostFor(const Target& target, const wire::Request& request) const {
    if (!options_.host_header.empty()) return options_.host_header;
    return request.authority.empty() ? target.address.authority : request.authority;
  }

  wire::Response Answer(Exchange exchange) {
    switch (exchange.outcome) {
      case ExchangeOutcome::kAnswered: return std::move(exchange.response);
      case ExchangeOutcome::kTimeout:
        Count("timeout");
        return PlainResponse(504, "The application did not answer in time.");
      case ExchangeOutcome::kTooLarge:
        Count("too-large");
        return PlainResponse(
            502, "The application's response is larger than " + std::to_string(options_.max_body_bytes) + " bytes.");
      default:
        Count("broken");
        program::Log(program::LogLevel::kWarning, "no response from the application", {{"detail", exchange.detail}});
        return PlainResponse(502, "The application gave no complete response.");
    }
  }

  void Count(const char* reason) { errors_.Add({{"reason", reason}}).Increment(); }

  std::unique_ptr<UpstreamConnection> TakeIdle(Target& target) {
    while (!target.idle.empty()) {
      std::unique_ptr<UpstreamConnection> connection = std::move(target.idle.back());
      target.idle.pop_back();
      if (Clock::now() - connection->idle_since < options_.idle_timeout && IsUsable(*connection)) return connection;
    }
    return nullptr;
  }

  void Keep(Target& target, std::unique_ptr<UpstreamConnection> connection) {
    if (stopped_ || target.idle.size() >= options_.max_idle) return;
    connection->reused = true;
    connection->idle_since = Clock::now();
    connection->stream.expires_never();
    target.idle.push_back(std::move(connection));
  }

  asio::awaitable<std::unique_ptr<UpstreamConnection>> Connect(Target& target, Clock::time_point end) {
    beast::error_code error;
    tcp::resolver resolver(executor_);
    const auto addresses = co_await resolver.async_resolve(target.address.host, target.address.port,
                                                           asio::redirect_error(asio::use_awaitable, error));
    auto connection = std::make_unique<UpstreamConnection>(executor_);
    if (!error) {
      connection->stream.expires_at(std::min(end, Clock::now() + options_.connect_timeout));
      co_await connection->stream.async_connect(addresses, asio::redirect_error(asio::use_awaitable, error));
    }
    if (error) {
      if (++target.failures >= kFailuresToUnhealthy) SetHealth(target, false, error.message());
      co_return nullptr;
    }
    target.failures = 0;
    connection->stream.socket().set_option(tcp::no_delay(true), error);
    co_return std::move(connection);
  }

  // Looks each second at the addresses that are down, and with a health path at all of them.
  static asio::awaitable<void> Watch(std::shared_ptr<HttpUpstream> self) {
    while (!self->stopped_) {
      for (Target& target : self->targets_) {
        if (target.healthy && self->options_.health_path.empty()) continue;
        const std::string problem = co_await self->Probe(target);
        if (!self->stopped_) self->SetHealth(target, problem.empty(), problem);
      }
      beast::error_code error;
      self->timer_.expires_after(kHealthInterval);
      if (!self->stopped_) co_await self->timer_.async_wait(asio::redirect_error(asio::use_awaitable, error));
    }
  }

  // What is wrong with the address; empty when nothing is.
  asio::awaitable<std::string> Probe(Target& target) {
    const auto end = Clock::now() + options_.connect_timeout;
    std::unique_ptr<UpstreamConnection> connection = co_await Connect(target, end);
    if (!connection) co_return "cannot be connected to";
    if (options_.health_path.empty()) co_return "";
    wire::Request request;
    request.method = "GET";
    request.target = options_.health_path;
    connection->stream.expires_at(end);
    const std::string_view host = HostFor(target, request);
    const Exchange exchange = co_await RunExchange(*connection, request, host, options_.max_body_bytes);
    if (exchange.outcome != ExchangeOutcome::kAnswered) co_return "gives no response to " + options_.health_path;
    if (exchange.response.status < 400) co_return "";
    co_return "answers " + std::to_string(exchange.response.status) + " to " + options_.health_path;
  }

  void SetHealth(Target& target, bool healthy, const std::string& why) {
    if (healthy) target.failures = 0;
    if (target.healthy != healthy) {
      program::Log(healthy ? program::LogLevel::kInfo : program::LogLevel::kWarning,
                   healthy ? "the application can be reached" : "the application cannot be reached",
                   {{"upstream", target.address.authority}, {"detail", why}});
    }
    target.healthy = healthy;
    const bool any = std::any_of(targets_.begin(), targets_.end(), [](const Target& each) { return each.healthy; });
    if (any == any_healthy_) return;
    any_healthy_ = any;
    if (on_health_) on_health_(any);
  }

  asio::any_io_executor executor_;
  UpstreamOptions options_;
  std::function<void(bool)> on_health_;
  asio::steady_timer timer_;
  prometheus::Family<prometheus::Counter>& errors_;
  std::deque<Target> targets_;
  std::size_t next_ = 0;
  bool any_healthy_ = false;
  bool stopped_ = false;
};

}  // namespace

std::shared_ptr<Upstream> Upstream::Make(boost::asio::any_io_executor executor, UpstreamOptions options,
                                         std::function<void(bool)> on_health, prometheus::Registry& registry) {
  return std::make_shared<HttpUpstream>(std::move(executor), std::move(options), std::move(on_health), registry);
}

}  // namespace warren::worker
