// NodeLink: a connection of the gateway's own to one node in one virtual host, kept alive. It says whether the node is
// up, has the inbox in which assignments arrive, and sees whether shards are there (node_link_checks.h).
//
// Nothing is published over it: during an alarm the broker reads nothing more from a connection that publishes, and
// shards could not be asked for just when consumers are what helps. Hellos go over a second connection.
//
// Threads: everything on one executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "proxy/gateway/node_link_checks.h"
#include "shardmgr/broker/amqp/link.h"

namespace warren::gateway {

struct NodeLinkOptions {
  amqp::Endpoint node;
  amqp::Credentials credentials;
  std::string vhost;
  std::string tls_ca_file;
  std::string name;  ///< `connection_name` that the broker shows.
};

class NodeLink {
 public:
  struct Hooks {
    std::function<void()> on_up;         ///< The connection is open.
    std::function<void()> on_inbox;      ///< The inbox is open.
    std::function<void()> on_lost;       ///< The inbox is gone, or the connection with it.
    std::function<void()> on_publisher;  ///< The connection to publish over is open.
    /// It ended, or could not be opened although the node is up.
    std::function<void(bool was_up)> on_publisher_lost;
    std::function<void(const Error& error)> on_failure;  ///< The connection ended, or could not be made.
    std::function<void(std::string_view body)> on_assignment;
    std::function<void(const std::string& queue)> on_checked;  ///< As ShardChecks' on_change.
  };

  NodeLink(boost::asio::any_io_executor executor, NodeLinkOptions options, Hooks hooks);
  ~NodeLink();  ///< As Stop.

  void Start();
  void Stop();  ///< Closes the connection; no hook is called any more.

  /// The open connection, or null.
  std::shared_ptr<amqp::Connection> connection() const;
  /// While the node is up there is a connection to publish over as well, from Open to Close.
  void OpenPublisher();
  void ClosePublisher();
  /// That connection when it is open, or null.
  std::shared_ptr<amqp::Connection> publisher() const;
  /// Name of the inbox; empty: there is none now.
  const std::string& inbox() const;
  /// The node is there and gives the user no inbox: nothing can be assigned.
  bool refuses_inbox() const;
  ShardChecks& checks();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace warren::gateway
