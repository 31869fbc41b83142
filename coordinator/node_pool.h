// NodePool: one AMQP connection per (node, vhost), opened when asked for and kept while it works.
// The coordinator's hands in the cluster, and its feeling for which nodes answer.
//
// Threads: the pool owns one thread that runs everything AMQP. Probe may be called from one other
// thread at a time and blocks; Get and its callbacks belong to the pool's thread (executor()).
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
};

class NodePool {
 public:
  using OnConnection = std::function<void(Result<std::shared_ptr<amqp::Connection>>)>;

  explicit NodePool(PoolOptions options);
  ~NodePool();  ///< Closes everything.

  /// Takes note of the nodes and tries those that run and have no open connection, twice before giving
  /// up (once where the last probe was in vain). The nodes that could not be reached, with the reason. Blocks for at
  /// most two connect timeouts. A node that refuses the user answers, so it counts as reached.
  std::map<std::string, Error> Probe(const std::vector<Node>& nodes);

  /// A connection to `node` in `vhost`, perhaps a new one. Pool's thread.
  void Get(const std::string& node, const std::string& vhost, OnConnection done);

  boost::asio::any_io_executor executor();
  std::size_t open_connections() const;  ///< From any thread.

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace warren::coordinator
