// Upstreams: the broker nodes that clients can be connected to, how many clients each has through this gateway, and in
// which order they are to be tried for a new one.
//
// Safe from any thread.
#pragma once

#include <atomic>
#include <boost/asio/ssl/context.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "policies/error.h"
#include "shardmgr/broker/amqp/types.h"

namespace warren::gateway {

class Upstreams {
 public:
  /// At least one node. kConfiguration: the TLS authorities cannot be read.
  static Result<std::unique_ptr<Upstreams>> Make(std::vector<amqp::Endpoint> nodes, const std::string& tls_ca_file);

  /// Indices of all nodes: those that are up before the others, those with fewer clients before those with more; in
  /// turn where that is equal.
  std::vector<std::size_t> InOrder(const std::function<bool(std::size_t)>& up);

  /// A client is (being) connected to it, until Give.
  void Take(std::size_t node) { clients_[node].fetch_add(1, std::memory_order_relaxed); }
  void Give(std::size_t node) { clients_[node].fetch_sub(1, std::memory_order_relaxed); }
  std::size_t clients(std::size_t node) const { return clients_[node].load(std::memory_order_relaxed); }

  void CountFailure(std::size_t node) { failures_[node].fetch_add(1, std::memory_order_relaxed); }
  std::uint64_t failures(std::size_t node) const { return failures_[node].load(std::memory_order_relaxed); }

  std::size_t size() const { return nodes_.size(); }
  const amqp::Endpoint& node(std::size_t index) const { return nodes_[index]; }
  /// Null where no node is TLS.
  boost::asio::ssl::context* tls() { return tls_.get(); }

 private:
  explicit Upstreams(std::vector<amqp::Endpoint> nodes);

  const std::vector<amqp::Endpoint> nodes_;
  std::unique_ptr<boost::asio::ssl::context> tls_;
  std::vector<std::atomic<std::size_t>> clients_;
  std::vector<std::atomic<std::uint64_t>> failures_;
  std::atomic<std::size_t> turn_{0};
};

}  // namespace warren::gateway
