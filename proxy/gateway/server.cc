// Putting the gateway together, accepting, and the end in order; see the header.
#include "proxy/gateway/server.h"

#include <boost/asio/post.hpp>
#include <utility>

#include "shardmgr/program/descriptors.h"
#include "shardmgr/program/logging.h"

namespace warren::gateway {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;
using program::Log;
using program::LogLevel;

constexpr std::chrono::milliseconds kAcceptPause{50};
constexpr std::chrono::seconds kTellFullEvery{10};
constexpr std::size_t kDescriptorsPerClient = 2;  ///< Its own, and that of its connection to the broker.
constexpr std::size_t kDescriptorsPerNode = 16;   ///< The desk's links: a few virtual hosts.

std::size_t DescriptorsAside(const GatewayOptions& options) {
  return program::kDescriptorsAside + kDescriptorsPerNode * options.desk.nodes.size() +
         program::kDescriptorsPerThread * static_cast<std::size_t>(options.threads);
}

}  // namespace

Result<std::unique_ptr<Server>> Server::Make(GatewayOptions options) {
  options.max_connections =
      program::FitConnections(options.max_connections, {kDescriptorsPerClient, DescriptorsAside(options)});
  std::unique_ptr<Server> server(new Server(std::move(options)));
  if (auto opened = server->Open(); !opened) return tl::unexpected(opened.error());
  return server;
}

Server::Server(GatewayOptions options)
    : options_(std::move(options)),
      metrics_(std::make_shared<program::Metrics>("warren-gateway")),
      signals_(
          io_.get_executor(), [this] { Drain(); },
          [this] {
            Log(LogLevel::kWarning, "second signal: ending at once");
            Abort();
          }),
      acceptor_(io_),
      accept_pause_(io_),
      drain_timer_(io_) {}

Server::~Server() = default;

Result<void> Server::Open() {
  auto upstreams = Upstreams::Make(options_.desk.nodes, options_.desk.tls_ca_file);
  if (!upstreams) return tl::unexpected(upstreams.error());
  upstreams_ = std::move(*upstreams);
  desk_ = std::make_unique<Desk>(options_.desk, metrics_->registry());
  std::vector<std::shared_ptr<LaneStats>> stats;
  for (int i = 0; i < options_.threads; ++i) {
    stats.push_back(std::make_shared<LaneStats>());
    lanes_.push_back(std::make_unique<Lane>(options_, *desk_, *upstreams_, stats.back(),
                                            [this] { clients_.fetch_sub(1, std::memory_order_relaxed); }));
  }
  metrics_->Register(std::make_shared<GatewayCollector>(std::move(stats), accepts_, upstreams_));
  if (auto bound = Bind(); !bound) return bound;
  auto admin = program::AdminServer::Start(options_.metrics_listen, metrics_, [this] { return Readiness(); });
  if (!admin) return tl::unexpected(admin.error());
  admin_ = std::move(*admin);
  return {};
}

/// Takes the port at once, so that a wrong address shows at the start; nobody can connect before Listen.
Result<void> Server::Bind() {
  error_code error;
  const std::string host = options_.listen.host == "localhost" ? "127.0.0.1" : options_.listen.host;
  const tcp::endpoint endpoint(boost::asio::ip::make_address(host, error), options_.listen.port);
  if (!error) acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) return {};
  return Fail(ErrorCode::kConfiguration, "cannot listen: " + error.message() + "; give another --listen",
              options_.listen.ToString());
}

/// Names of streams are known from here on: no client can declare an ordinary queue in the place of one.
void Server::Listen() {
  if (draining_) return;
  error_code error;
  acceptor_.listen(boost::asio::socket_base::max_listen_connections, error);
  if (error) {
    Log(LogLevel::kError, "cannot listen", {{"address", options_.listen.ToString()}, {"error", error.message()}});
    return Abort();
  }
  listening_ = true;
  program::Address address = options_.listen;
  address.port = acceptor_.local_endpoint(error).port();
  Log(LogLevel::kInfo, "listening",
      {{"address", address.ToString()}, {"instance", options_.desk.instance}, {"threads", options_.threads}});
  Accept();
}

void Server::Accept() {
  if (!acceptor_.is_open()) return;
  if (clients_.load(std::memory_order_relaxed) >= options_.max_connections) {  // They wait in the kernel's queue.
    Add(accepts_->full, 1);
    const auto now = std::chrono::steady_clock::now();
    if (now - told_full_ >= kTellFullEvery) {
      told_full_ = now;
      Log(LogLevel::kWarning, "as many clients as --max-connections allows: more wait until one leaves",
          {{"clients", options_.max_connections}});
    }
    return PauseAccepting();
  }
  Lane& lane = *lanes_[next_lane_++ % lanes_.size()];
  acceptor_.async_accept(lane.io(), [this, &lane](const error_code& error, Peer::Socket socket) {
    OnAccepted(error, std::move(socket), lane);
  });
}

void Server::OnAccepted(const error_code& error, Peer::Socket socket, Lane& lane) {
  if (!acceptor_.is_open()) return;
  if (error) {
    Add(accepts_->failed, 1);
    if (!std::exchange(accept_failing_, true)) {
      Log(LogLevel::kWarning, "cannot accept clients; trying on", {{"error", error.message()}});
    }
    return PauseAccepting();  // Out of file descriptors, most likely.
  }
  if (std::exchange(accept_failing_, false)) Log(LogLevel::kInfo, "accepting clients again");
  error_code gone;
  const auto client = socket.remote_endpoint(gone);
  if (!gone) {
    clients_.fetch_add(1, std::memory_order_relaxed);
    lane.Take(std::move(socket), program::Address{client.address().to_string(), client.port()}.ToString());
  }
  Accept();
}

void Server::PauseAccepting() {
  accept_pause_.expires_after(kAcceptPause);
  accept_pause_.async_wait([this](const error_code& error) {
    if (!error) Accept();
  });
}

program::Readiness Server::Readiness() const {
  if (draining_) return {false, "stopping: it takes no new clients"};
  const auto ready = desk_->readiness();
  if (!ready) return {false, ready.error().ToString()};
  if (!listening_) return {false, "the names of streams are not known yet"};
  return {true, ""};
}

int Server::Run() {
  running_ = lanes_.size();
  for (auto& lane : lanes_) {
    threads_.emplace_back([this, raw = lane.get()] {
      raw->Run();
      boost::asio::post(io_, [this] {
        if (--running_ == 0) io_.stop();
      });
    });
  }
  desk_->Start(io_.get_executor(), [this] { Listen(); });
  program::NotifyReady();
  io_.run();
  for (auto& thread : threads_) thread.join();
  desk_->Stop();
  Log(LogLevel::kInfo, "ended");
  return aborted_ ? 1 : 0;
}

void Server::Drain() {
  Log(LogLevel::kInfo, "draining: no new clients, connection.close to those that are there");
  draining_ = true;
  program::NotifyStopping();
  error_code ignored;
  acceptor_.close(ignored);
  accept_pause_.cancel();
  for (auto& lane : lanes_) lane->Shutdown();
  drain_timer_.expires_after(options_.drain_timeout);
  drain_timer_.async_wait([this](const error_code& error) {
    if (error) return;
    Log(LogLevel::kWarning, "clients were still connected when the drain timeout ended");
    Abort();
  });
}

void Server::Abort() {
  aborted_ = true;
  draining_ = true;
  error_code ignored;
  acceptor_.close(ignored);
  for (auto& lane : lanes_) lane->Stop();
}

}  // namespace warren::gateway
