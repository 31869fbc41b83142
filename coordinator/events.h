// EventSource: the coordinator's ear on amq.rabbitmq.event (plugin rabbitmq_event_exchange, vhost "/").
//
// One connection to one of the nodes at a time, to another when that one goes; on it an exclusive queue that
// the broker names. Where there is no such exchange, no permission or no connection, the coordinator polls:
// status() says which and why, and the source goes on trying.
//
// Threads: all callbacks on the executor, which runs one handler at a time; SetEndpoints and status from any.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "coordinator/cluster_event.h"
#include "shardmgr/broker/amqp/types.h"

namespace warren::coordinator {

struct EventSourceOptions {
  amqp::Credentials credentials;
  std::string tls_ca_file;
  /// How often a subscription that works is checked, since a plugin that is disabled takes its exchange away without
  /// a word; and the longest pause before one that failed is tried again.
  std::chrono::milliseconds check_every{5'000};
};

/// Where the coordinator's news comes from.
struct EventStatus {
  bool connected = false;
  std::string reason = "no node of the cluster is known yet";  ///< Why it polls; empty while connected.
  std::uint64_t received = 0;                                  ///< Events so far.

  const char* source() const { return connected ? "events" : "polling"; }
};

struct EventHandlers {
  std::function<void(const ClusterEvent&)> on_event;
  /// Subscribed (what happened before was not heard), or not any more, or not for another cause.
  std::function<void(const EventStatus&)> on_status;
};

class EventSource {
 public:
  EventSource(boost::asio::any_io_executor executor, EventSourceOptions options, EventHandlers handlers);
  ~EventSource();  ///< When the executor has stopped.

  /// The nodes to try, in this order. A connection to one of them stays.
  void SetEndpoints(std::vector<amqp::Endpoint> endpoints);
  EventStatus status() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace warren::coordinator
