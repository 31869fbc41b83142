// Putting the proxy together, and taking it apart in order; see the header.
#include "proxy/http/server.h"

#include <boost/asio/post.hpp>
#include <csignal>

#include "shardmgr/program/descriptors.h"
#include "shardmgr/program/logging.h"

namespace warren::proxy {

using program::Log;
using program::LogLevel;

Result<std::unique_ptr<Server>> Server::Make(ProxyOptions options) {
  const auto threads = static_cast<std::size_t>(options.threads);
  options.max_connections = program::FitConnections(
      options.max_connections, {1, program::kDescriptorsAside + program::kDescriptorsPerThread * threads});
  std::unique_ptr<Server> server(new Server(std::move(options)));
  if (auto opened = server->Open(); !opened) return tl::unexpected(opened.error());
  return server;
}

Server::Server(ProxyOptions options)
    : options_(std::move(options)),
      signals_(
          io_.get_executor(), [this] { Drain(); },
          [this] {
            Log(LogLevel::kWarning, "second signal: ending at once");
            aborted_ = true;
            StopLanes();
          }),
      metrics_(std::make_shared<program::Metrics>("warren-proxy")),
      limits_(std::make_shared<Limits>(options_.max_connections, options_.max_requests, options_.max_bytes)),
      drain_timer_(io_),
      hangup_(io_, SIGHUP) {
  ReopenOnHangup();
}

Server::~Server() = default;

Result<void> Server::Open() {
  if (options_.access_log != "off") {
    auto log = AccessLog::Open(options_.access_log, options_.access_log_json);
    if (!log) return tl::unexpected(log.error().Within("--access-log"));
    access_log_ = std::move(*log);
  }
  program::Address address = options_.listen;
  for (int i = 0; i < options_.threads; ++i) {
    stats_.push_back(std::make_shared<LaneStats>());
    request_metrics_.push_back(std::make_shared<RequestMetrics>());
    lanes_.push_back(std::make_unique<Lane>(
        Lane::Shared{options_, *limits_, *request_metrics_.back(), access_log_.get()}, i, stats_.back()));
    if (auto listening = lanes_.back()->Listen(address); !listening) return listening;
    address.port = lanes_.back()->local_port();
  }
  metrics_->Register(
      std::make_shared<ProxyCollector>(options_.exchange, stats_, request_metrics_, limits_,
                                       [log = access_log_.get()] { return log != nullptr ? log->dropped() : 0; }));
  auto admin = program::AdminServer::Start(options_.metrics_listen, metrics_, [this] { return Readiness(); });
  if (!admin) return tl::unexpected(admin.error());
  admin_ = std::move(*admin);
  watch_ = std::make_unique<NodeWatch>(
      io_.get_executor(), options_.nodes,
      [this] {
        auto connection = options_.connection;
        connection.name = options_.instance + " watch";
        return connection;
      }(),
      [this](const amqp::Endpoint&) {
        for (auto& lane : lanes_) lane->Post([](Lane& on) { on.engine().OnNodeLost(Clock::now()); });
      },
      [this](const amqp::Endpoint&) {
        for (auto& lane : lanes_) lane->Post([](Lane& on) { on.engine().OnNodeBack(Clock::now()); });
      });
  Log(LogLevel::kInfo, "listening",
      {{"address", address.ToString()},
       {"exchange", options_.exchange},
       {"instance", options_.instance},
       {"threads", options_.threads}});
  return {};
}

program::Readiness Server::Readiness() const {
  if (draining_) return {false, "draining: it takes no new clients"};
  for (const auto& lane : stats_) {
    if (lane->exchange_missing) return {false, "the exchange " + options_.exchange + " does not exist"};
    if (!lane->publish_up) return {false, "no connection to publish on: " + lane->publish_trouble.Get()};
    if (!lane->replies_up) return {false, "no connection to take replies on: " + lane->replies_trouble.Get()};
    if (lane->blocked) return {false, "the broker takes no messages (resource alarm)"};
  }
  return {true, ""};
}

void Server::StartConsumerCheck() {
  management::ClientOptions client;
  client.urls = options_.management_urls;
  client.user = options_.connection.credentials.user;
  client.password = options_.connection.credentials.password;
  client.timeout = std::chrono::seconds(2);
  client.tls_ca_file = options_.connection.tls_ca_file;
  consumer_check_ = std::make_unique<ConsumerCheck>(
      io_.get_executor(), std::move(client), options_.connection.vhost, options_.exchange,
      [this] { return watch_->any_connection(); },
      [this](bool none) {
        for (auto& lane : lanes_) lane->Post([none](Lane& on) { on.engine().SetNoConsumers(none); });
      });
  consumer_check_->Start();
}

int Server::Run() {
  watch_->Start();
  if (options_.fail_without_consumers) StartConsumerCheck();
  running_ = lanes_.size();
  for (auto& lane : lanes_) {
    threads_.emplace_back([this, raw = lane.get()] {
      raw->Run();
      boost::asio::post(io_, [this] {
        if (--running_ == 0) io_.stop();
      });
    });
  }
  program::NotifyReady();
  io_.run();
  for (auto& thread : threads_) thread.join();
  if (consumer_check_) consumer_check_->Stop();
  watch_->Stop();
  Log(LogLevel::kInfo, "ended");
  return aborted_ ? 1 : 0;
}

void Server::Drain() {
  Log(LogLevel::kInfo, "draining: no new clients, finishing what is in flight");
  draining_ = true;
  program::NotifyStopping();
  for (auto& lane : lanes_) lane->Post([](Lane& on) { on.Drain(); });
  drain_timer_.expires_after(options_.drain_timeout);
  drain_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    Log(LogLevel::kWarning, "requests were still in flight when the drain timeout ended");
    aborted_ = true;
    StopLanes();
  });
}

void Server::ReopenOnHangup() {
  hangup_.async_wait([this](const boost::system::error_code& error, int) {
    if (error) return;
    if (access_log_) access_log_->Reopen();
    ReopenOnHangup();
  });
}

void Server::StopLanes() {
  for (auto& lane : lanes_) lane->Post([](Lane& on) { on.Stop(); });
}

}  // namespace warren::proxy
