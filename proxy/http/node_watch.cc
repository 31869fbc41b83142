// Connections that only watch; see the header.
#include "proxy/http/node_watch.h"

#include "shardmgr/program/logging.h"

namespace warren::proxy {

namespace {
constexpr std::chrono::seconds kHeartbeat{5};  // A node that vanishes without a word is noticed in 10 s.
}  // namespace

NodeWatch::NodeWatch(boost::asio::any_io_executor executor, const std::vector<amqp::Endpoint>& nodes,
                     const amqp::ConnectionOptions& connection, OnNode on_lost, OnNode on_back) {
  for (const auto& node : nodes) {
    amqp::LinkOptions options;
    options.endpoints = {node};
    options.connection = connection;
    options.connection.heartbeat = kHeartbeat;
    amqp::LinkHandlers handlers;
    const auto lost = std::make_shared<bool>(false);
    handlers.on_down = [on_lost, lost](const amqp::Endpoint& endpoint, const Error& error, bool was_up) {
      if (!was_up) return;
      *lost = true;
      program::Log(program::LogLevel::kWarning, "lost a node", error, {{"endpoint", endpoint.ToString()}});
      on_lost(endpoint);
    };
    handlers.on_up = [on_back, lost](const std::shared_ptr<amqp::Connection>& open) {
      if (!std::exchange(*lost, false)) return;
      program::Log(program::LogLevel::kInfo, "a node is back", {{"endpoint", open->endpoint().ToString()}});
      on_back(open->endpoint());
    };
    links_.push_back(std::make_unique<amqp::Link>(executor, std::move(options), std::move(handlers)));
  }
}

void NodeWatch::Start() {
  for (auto& link : links_) link->Start();
}

void NodeWatch::Stop() {
  for (auto& link : links_) link->Stop();
}

std::shared_ptr<amqp::Connection> NodeWatch::any_connection() const {
  for (const auto& link : links_) {
    if (auto connection = link->connection(); connection && connection->is_open()) return connection;
  }
  return nullptr;
}

}  // namespace warren::proxy
