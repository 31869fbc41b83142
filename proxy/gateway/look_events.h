// LookEvents: hears from the broker's event exchange (vhost "/") that queues and bindings come and go, over a
// connection to any of the nodes. Where there is no such exchange, or the user may not bind to it, nothing is heard,
// which is said once: what the gateway knows is then as old as its last look.
//
// Threads: everything on one executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "shardmgr/broker/amqp/link.h"

namespace warren::gateway {

class LookEvents {
 public:
  /// `on_event`: something became of this queue, or of a binding of it. `on_deleted`: the queue is gone; on_event
  /// follows. `on_listening`: what came before was missed.
  struct Hooks {
    std::function<void(std::string_view vhost, std::string_view queue)> on_event, on_deleted;
    std::function<void()> on_listening;
  };

  /// `link`: endpoints to try, and how to connect.
  LookEvents(boost::asio::any_io_executor executor, amqp::LinkOptions link, Hooks hooks);
  ~LookEvents();  ///< As Stop.

  void Start();
  void Stop();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace warren::gateway
