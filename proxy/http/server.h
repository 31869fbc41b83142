// Server: the whole proxy put together: lanes on threads of their own; on the main thread signals, the
// node watch and the consumer check, which speak to the lanes by posting.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <thread>
#include <vector>

#include "proxy/http/access_log.h"
#include "proxy/http/consumer_check.h"
#include "proxy/http/lane.h"
#include "proxy/http/node_watch.h"
#include "shardmgr/program/admin_server.h"
#include "shardmgr/program/signals.h"

namespace warren::proxy {

class Server {
 public:
  /// Opens sockets and files. Errors: kConfiguration.
  static Result<std::unique_ptr<Server>> Make(ProxyOptions options);
  ~Server();

  /// Serves until told to end by a signal. 0 when drained in full, else 1.
  int Run();

 private:
  explicit Server(ProxyOptions options);
  Result<void> Open();
  program::Readiness Readiness() const;
  void Drain();
  void StopLanes();
  void ReopenOnHangup();
  void StartConsumerCheck();

  const ProxyOptions options_;
  boost::asio::io_context io_{1};
  program::Signals signals_;
  std::shared_ptr<program::Metrics> metrics_;
  std::shared_ptr<Limits> limits_;
  std::vector<std::shared_ptr<LaneStats>> stats_;
  std::unique_ptr<AccessLog> access_log_;
  std::vector<std::shared_ptr<RequestMetrics>> request_metrics_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::vector<std::thread> threads_;
  std::unique_ptr<NodeWatch> watch_;
  std::unique_ptr<ConsumerCheck> consumer_check_;
  std::unique_ptr<program::AdminServer> admin_;
  boost::asio::steady_timer drain_timer_;
  boost::asio::signal_set hangup_;
  std::size_t running_ = 0;
  bool aborted_ = false;
  std::atomic<bool> draining_{false};  ///< Read by the admin server's threads.
};

}  // namespace warren::proxy
