// Server: the whole gateway put together: the desk, the lanes on threads of their own, and on the main thread signals
// and the listening socket, which hands clients to the lanes in turn.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "proxy/gateway/lane.h"
#include "shardmgr/program/admin_server.h"
#include "shardmgr/program/metrics.h"
#include "shardmgr/program/signals.h"

namespace warren::gateway {

class Server {
 public:
  /// Binds addresses and reads files. Errors: kConfiguration.
  static Result<std::unique_ptr<Server>> Make(GatewayOptions options);
  ~Server();

  /// Serves until told to end by a signal. 0 when every client took part in the end, else 1.
  int Run();

 private:
  explicit Server(GatewayOptions options);
  Result<void> Open();
  Result<void> Bind();
  void Listen();
  void Accept();
  void OnAccepted(const boost::system::error_code& error, Peer::Socket socket, Lane& lane);
  void PauseAccepting();
  program::Readiness Readiness() const;
  void Drain();
  void Abort();

  const GatewayOptions options_;
  std::shared_ptr<program::Metrics> metrics_;
  std::shared_ptr<Upstreams> upstreams_;
  std::shared_ptr<AcceptStats> accepts_ = std::make_shared<AcceptStats>();
  std::unique_ptr<Desk> desk_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  boost::asio::io_context io_{1};  ///< Gone before the lanes: an accept that is left in it holds a lane's socket.
  program::Signals signals_;
  std::vector<std::thread> threads_;
  std::unique_ptr<program::AdminServer> admin_;
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer accept_pause_, drain_timer_;
  std::chrono::steady_clock::time_point told_full_{};
  std::size_t next_lane_ = 0, running_ = 0;
  std::atomic<std::size_t> clients_{0};
  bool accept_failing_ = false, aborted_ = false;
  std::atomic<bool> listening_{false}, draining_{false};  ///< Read by the admin server's thread.
};

}  // namespace warren::gateway
