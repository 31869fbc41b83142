// NodeLink: one connection to a vhost of any running node, for what the coordinator needs one of: events, the lease,
// what consumers say. It stays with its node while that is one of the running ones, and goes on to another when it is
// not.
//
// Threads: all calls and callbacks on the executor, which runs one handler at a time.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <vector>

#include "shardmgr/broker/amqp/link.h"

namespace warren::coordinator {

/// How often either side shows that it lives; twice that without a sign is the end of the connection.
inline constexpr std::chrono::seconds kLinkHeartbeat{5};

/// The broker denies it to the user: another try changes nothing. That there are too many connections, which it says
/// with the same code, passes.
bool IsDenied(const Error& error);

struct NodeLinkOptions {
  amqp::Credentials credentials;
  std::string tls_ca_file;
  std::string name;  ///< As the broker shows it.
  std::chrono::milliseconds longest_pause{5'000};
  std::string vhost = "/";
  std::size_t max_message_bytes = amqp::kMaxMessageBytes;
};

class NodeLink {
 public:
  /// As LinkHandlers; on_down also when the node is none of the running ones any more.
  NodeLink(boost::asio::any_io_executor executor, NodeLinkOptions options, amqp::LinkHandlers handlers);
  ~NodeLink();

  /// The nodes to try, in this order unless they are the same as before. An open connection to one of them stays.
  void SetEndpoints(std::vector<amqp::Endpoint> endpoints);
  /// Gives the connection up and connects again, beginning with another node than now.
  void Reconnect();
  void Stop();
  /// The open connection, or null.
  std::shared_ptr<amqp::Connection> connection() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace warren::coordinator
