// One I/O thread; see the header.
#include "proxy/http/lane.h"

#include <linux/filter.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <ctime>
#include <utility>

#include "proxy/http/forward.h"
#include "shardmgr/program/logging.h"

namespace warren::proxy {
namespace {

using boost::asio::ip::tcp;

constexpr Milliseconds kBusyTick{10};  ///< Precision of deadlines and retries.
constexpr Milliseconds kIdleTick{100};
constexpr Milliseconds kSweep{250};  ///< Precision of client timeouts.
constexpr Milliseconds kAcceptPause{50};
constexpr Milliseconds kLastAccepts{50};   ///< While draining: for clients whose handshake is under way.
constexpr Milliseconds kIdleGrace{1'500};  ///< While draining: for requests that are under way on open connections.

/// From now on the kernel drops what opens a connection to this listener, and nothing else; clients try again a second
/// later, and find it closed. Without that, whoever connects just before the listener closes would be reset.
void RefuseHandshakes(int listener) {
  sock_filter code[] = {
      {BPF_LD | BPF_B | BPF_ABS, 0, 0, 13},  // The flags of the TCP header.
      {BPF_ALU | BPF_AND | BPF_K, 0, 0, 0x12},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0x02},  // SYN without ACK.
      {BPF_RET | BPF_K, 0, 0, 0},
      {BPF_RET | BPF_K, 0, 0, 0xffffffff},
  };
  const sock_fprog program{std::size(code), code};
  ::setsockopt(listener, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

BrokerTransportOptions MakeTransport(const ProxyOptions& options, int number) {
  BrokerTransportOptions transport{options.exchange, options.instance + "." + std::to_string(number), options.nodes,
                                   options.connection};
  auto& nodes = transport.nodes;
  std::rotate(nodes.begin(), nodes.begin() + number % static_cast<int>(nodes.size()), nodes.end());
  return transport;
}

DispatcherOptions MakeDispatcher(const ProxyOptions& options) {
  DispatcherOptions dispatcher;
  dispatcher.exchange = options.exchange;
  dispatcher.timeout = options.timeout;
  return dispatcher;
}

wire::HeadLimits MakeHeadLimits(const ProxyOptions& options) {
  wire::HeadLimits limits;
  limits.max_head_bytes = options.max_head_bytes;
  limits.max_request_line_bytes = std::max<std::size_t>(options.max_head_bytes / 2, 512);
  return limits;
}

}  // namespace

Lane::Lane(const Shared& shared, int number, std::shared_ptr<LaneStats> lane_stats)
    : SessionHost(shared.options, shared.options.instance + "." + std::to_string(number),
                  MakeHeadLimits(shared.options), dispatcher_, shared.limits, *lane_stats, shared.metrics,
                  shared.access_log),
      lane_stats_(std::move(lane_stats)),
      io_(1),
      transport_(io_, MakeTransport(shared.options, number), *lane_stats_),
      dispatcher_(MakeDispatcher(shared.options), transport_, lane_stats_->dispatcher),
      acceptor_(io_),
      tick_(io_),
      accept_retry_(io_),
      last_accepts_(io_) {}

Lane::~Lane() {
  auto sessions = std::move(sessions_);
  sessions_.clear();
  for (auto& [raw, session] : sessions) session->Abort();
  transport_.Stop();
}

Result<void> Lane::Listen(const program::Address& address) {
  boost::system::error_code error;
  const std::string host = address.host == "localhost" ? "127.0.0.1" : address.host;
  const tcp::endpoint endpoint(boost::asio::ip::make_address(host, error), address.port);
  const auto check = [&]() { return !error; };
  const int on = 1;
  if (check()) acceptor_.open(endpoint.protocol(), error);
  if (check()) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (check() && options.threads > 1) {
    ::setsockopt(acceptor_.native_handle(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
  }
  if (check()) acceptor_.bind(endpoint, error);
  if (check()) acceptor_.listen(boost::asio::socket_base::max_listen_connections, error);
  if (error) return Fail(ErrorCode::kConfiguration, "cannot listen: " + error.message(), address.ToString());
  return {};
}

std::uint16_t Lane::local_port() const {
  boost::system::error_code ignored;
  return acceptor_.local_endpoint(ignored).port();
}

void Lane::Run() {
  transport_.Start(dispatcher_);
  Accept();
  Tick();
  io_.run();
}

void Lane::Post(std::function<void(Lane&)> action) {
  boost::asio::post(io_, [this, action = std::move(action)] { action(*this); });
}

void Lane::Accept() {
  if (accepting_ || !acceptor_.is_open()) return;
  if (!limits.connections.TryTake(1)) {  // Clients wait in the kernel's queue until one leaves.
    DispatcherStats::Add(stats.accept_full);
    accept_retry_.expires_after(kAcceptPause);
    accept_retry_.async_wait([this](const boost::system::error_code& error) {
      if (!error) Accept();
    });
    return;
  }
  accepting_ = true;
  acceptor_.async_accept([this](const boost::system::error_code& error, tcp::socket socket) {
    accepting_ = false;
    if (error) {
      limits.connections.Give(1);
      if (!acceptor_.is_open()) return;
      DispatcherStats::Add(stats.accept_failed);
      if (!std::exchange(accept_failing_, true)) {
        program::Log(program::LogLevel::kWarning, "cannot accept clients; trying on", {{"error", error.message()}});
      }
      accept_retry_.expires_after(kAcceptPause);  // Out of file descriptors, most likely.
      accept_retry_.async_wait([this](const boost::system::error_code& stopped) {
        if (!stopped) Accept();
      });
      return;
    }
    if (std::exchange(accept_failing_, false)) program::Log(program::LogLevel::kInfo, "accepting clients again", {});
    DispatcherStats::Add(stats.connections);
    stats.open_connections.fetch_add(1, std::memory_order_relaxed);
    auto session = std::make_shared<Session>(std::move(socket), *this);
    sessions_.emplace(session.get(), session);
    session->Start();
    Accept();
  });
}

void Lane::Gone(Session& session) {
  if (sessions_.erase(&session) == 0) return;
  limits.connections.Give(1);
  stats.open_connections.fetch_sub(1, std::memory_order_relaxed);
  FinishIfDrained();
}

void Lane::Ready(std::shared_ptr<Session> session) {
  ready_.push_back(std::move(session));
  if (flush_posted_) return;
  flush_posted_ = true;
  boost::asio::post(io_, [this] { FlushReady(); });
}

void Lane::FlushReady() {
  flush_posted_ = false;
  flushing_.swap(ready_);
  for (auto& session : flushing_) session->Flush();
  flushing_.clear();
}

std::string_view Lane::Date() {
  const std::int64_t now = std::time(nullptr);
  if (now != date_seconds_) {
    date_seconds_ = now;
    date_ = HttpDate(now);
  }
  return date_;
}

void Lane::Tick() {
  const TimePoint now = Clock::now();
  dispatcher_.Tick(now);
  if (now >= next_sweep_) {
    next_sweep_ = now + kSweep;
    std::vector<std::shared_ptr<Session>> sessions;
    sessions.reserve(sessions_.size());
    for (auto& [raw, session] : sessions_) sessions.push_back(session);
    for (auto& session : sessions) {
      session->CheckTimeouts(now);
      if (draining && now >= idle_until_) session->Drain();
    }
  }
  if (stopped_) return;
  tick_.expires_after(dispatcher_.in_flight() > 0 ? kBusyTick : kIdleTick);
  tick_.async_wait([this](const boost::system::error_code& error) {
    if (!error) Tick();
  });
}

void Lane::Drain() {
  if (draining) return;
  draining = true;
  idle_until_ = Clock::now() + kIdleGrace;
  RefuseHandshakes(acceptor_.native_handle());
  last_accepts_.expires_after(kLastAccepts);
  last_accepts_.async_wait([this](const boost::system::error_code& error) {
    if (!error) StopAccepting();
  });
  Accept();
}

void Lane::StopAccepting() {
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  accept_retry_.cancel();
  next_sweep_ = {};
  FinishIfDrained();
}

void Lane::FinishIfDrained() {
  if (draining && !stopped_ && !acceptor_.is_open() && sessions_.empty()) Stop();
}

void Lane::Stop() {
  if (stopped_) return;
  stopped_ = true;
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  boost::asio::post(io_, [this] {
    transport_.Stop();
    tick_.cancel();
    io_.stop();
  });
}

}  // namespace warren::proxy
