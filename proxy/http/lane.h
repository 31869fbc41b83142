// Lane: one I/O thread of the proxy: its listening socket (SO_REUSEPORT, so the kernel spreads clients
// over the lanes), its sessions, its dispatcher and its AMQP connections. Lanes share nothing but the
// budget, the metrics and the access log.
//
// Threads: Run() makes the calling thread the lane's. Post(), and what says so, may come from any other.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "proxy/http/broker_transport.h"
#include "proxy/http/session.h"

namespace warren::proxy {

class Lane final : public SessionHost {
 public:
  struct Shared {
    const ProxyOptions& options;
    Limits& limits;
    RequestMetrics& metrics;
    AccessLog* access_log;
  };

  /// `number` from 0: names the lane's instance and turns the list of nodes, so that lanes spread.
  Lane(const Shared& shared, int number, std::shared_ptr<LaneStats> lane_stats);
  ~Lane() override;

  /// Binds; before Run. Port 0 asks for a free one; local_port() then tells. Errors: kConfiguration.
  Result<void> Listen(const program::Address& address);
  std::uint16_t local_port() const;

  void Run();                                    ///< Until Stop, or until drained.
  void Post(std::function<void(Lane&)> action);  ///< Any thread: runs `action` on the lane's.
  void Drain();                                  ///< On the lane: no new clients; ends once the last one is gone.
  void Stop();                                   ///< On the lane: ends now.
  Dispatcher& engine() { return dispatcher_; }

  void Ready(std::shared_ptr<Session> session) override;
  void Gone(Session& session) override;
  std::string_view Date() override;

 private:
  void Accept();
  void Tick();
  void FlushReady();
  void StopAccepting();
  void FinishIfDrained();

  const std::shared_ptr<LaneStats> lane_stats_;
  boost::asio::io_context io_;
  BrokerTransport transport_;
  Dispatcher dispatcher_;
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer tick_, accept_retry_, last_accepts_;
  std::unordered_map<Session*, std::shared_ptr<Session>> sessions_;
  std::vector<std::shared_ptr<Session>> ready_, flushing_;
  bool flush_posted_ = false, accepting_ = false, accept_failing_ = false, stopped_ = false;
  TimePoint next_sweep_{};
  TimePoint idle_until_{};  ///< While draining: how long connections without a request are kept.
  std::int64_t date_seconds_ = 0;
  std::string date_;
};

}  // namespace warren::proxy
