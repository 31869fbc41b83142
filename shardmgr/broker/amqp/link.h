// Link: keeps one AMQP connection alive over a list of nodes. When the connection ends it tries the
// next endpoint at once, and after a whole round without success waits with growing, jittered
// pauses. The data plane's way to "reconnect to another node by itself".
//
// Threads: as connection.h; all calls and callbacks on the executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "shardmgr/broker/amqp/connection.h"

namespace warren::amqp {

struct LinkOptions {
  std::vector<Endpoint> endpoints;             ///< Tried in this order, from the first; at least one.
  ConnectionOptions connection;                ///< Its `endpoint` is ignored.
  std::chrono::milliseconds first_pause{200};  ///< After the first whole round without success.
  std::chrono::milliseconds longest_pause{5'000};
};

struct LinkHandlers {
  std::function<void(const std::shared_ptr<Connection>&)> on_up = {};  ///< A connection is open.
  /// The open connection ended (was_up), or an attempt failed.
  std::function<void(const Endpoint&, const Error&, bool was_up)> on_down = {};
  std::function<void(bool blocked, std::string_view reason)> on_blocked = {};
};

class Link {
 public:
  Link(boost::asio::any_io_executor executor, LinkOptions options, LinkHandlers handlers);
  ~Link();  ///< As Stop(), without callbacks afterwards.

  void Start();
  /// Closes the connection; no more attempts and no more callbacks.
  void Stop();
  /// The open connection, or null.
  std::shared_ptr<Connection> connection() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace warren::amqp
