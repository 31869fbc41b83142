// NodeWatch: one AMQP connection to every node of the cluster that nobody publishes or consumes on. Its
// end says that the node went away, sooner and more surely than silence on a request's path does.
//
// Threads: all on the executor, the callback too.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <vector>

#include "shardmgr/broker/amqp/link.h"

namespace warren::proxy {

class NodeWatch {
 public:
  using OnNode = std::function<void(const amqp::Endpoint&)>;

  /// `on_lost` whenever an open connection drops, `on_back` when that node takes one again. `connection` gives
  /// credentials and vhost.
  NodeWatch(boost::asio::any_io_executor executor, const std::vector<amqp::Endpoint>& nodes,
            const amqp::ConnectionOptions& connection, OnNode on_lost, OnNode on_back);

  void Start();
  void Stop();
  /// An open connection to any node, for questions; null when there is none.
  std::shared_ptr<amqp::Connection> any_connection() const;

 private:
  std::vector<std::unique_ptr<amqp::Link>> links_;
};

}  // namespace warren::proxy
