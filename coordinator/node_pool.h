// NodePool: one AMQP connection per (node, vhost, user), opened when asked for and kept while it works.
// The coordinator's hands in the cluster, and its feeling for which nodes answer.
//
// Threads: the pool owns one thread that runs everything AMQP. Probe may be called from one other
// thread at a time and blocks; Get, its callbacks and on_node_lost belong to the pool's thread (executor()).
#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "policies/error.h"
#include "shardmgr/broker/amqp/connection.h"
#include "shardmgr/model/topology.h"

namespace warren::coordinator {

struct PoolOptions {
  amqp::Credentials credentials;
  std::string tls_ca_file;
  bool tls = false;                                      ///< Use the nodes' AMQPS listeners.
  std::map<std::string, amqp::Endpoint> node_addresses;  ///< --node-address
  std::chrono::milliseconds connect_timeout{3'000};
  /// The connection of our own user to a node, once open, ended without our doing.
  std::function<void(const std::string& node)> on_node_lost = {};
};

struct ConnectionName {
  std::string node;
  std::string vhost;
  std::string user = {};  ///< Empty: the coordinator's own.

  auto operator<=>(const ConnectionName&) const = default;
};

class NodePool {
 public:
  using OnConnection = std::function<void(Result<std::shared_ptr<amqp::Connection>>)>;

  explicit NodePool(PoolOptions options);
  ~NodePool();

  /// Closes everything and ends the thread: nothing of the pool's runs any more. What holds on to executor()
  /// goes between this and the pool's end.
  void Stop();

  /// Takes note of the nodes and tries those that run and have no open connection, twice before giving
  /// up (once where the last probe was in vain). The nodes that could not be reached, with the reason. Blocks for at
  /// most two connect timeouts. A node that refuses the user answers, so it counts as reached.
  std::map<std::string, Error> Probe(const std::vector<Node>& nodes);

  /// A connection, perhaps a new one; from within, when it is open already. kUnauthorized for a user whose
  /// password is not known. Pool's thread.
  void Get(const ConnectionName& name, OnConnection done);

  /// Passwords of other users than our own, by name. Connections of a user whose password changed are
  /// closed. From any thread; counts for every Get that is posted later.
  void SetPasswords(std::map<std::string, std::string> passwords);

  boost::asio::any_io_executor executor();
  std::size_t open_connections() const;  ///< From any thread.

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace warren::coordinator
