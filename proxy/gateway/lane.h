// Lane: one I/O thread of the gateway, with its sessions. Lanes share nothing but the desk, the counts of clients at
// each node, and atomics.
//
// Threads: Run() makes the calling thread the lane's. What says so may be called from any other.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "proxy/gateway/session.h"

namespace warren::gateway {

class Lane final : public SessionHost {
 public:
  /// `on_gone`: a session ended; on the lane's thread.
  Lane(const GatewayOptions& all_options, Desk& the_desk, Upstreams& nodes, std::shared_ptr<LaneStats> lane_stats,
       std::function<void()> on_gone);
  ~Lane() override;

  void Run();  ///< Until Stop, or until the last session has ended after Shutdown.

  boost::asio::io_context& io() { return io_; }
  void Take(Peer::Socket socket, std::string client_address);  ///< A new client, of a socket of io(). Any thread.
  void Shutdown();                                             ///< Tells all clients, waits for them. Any thread.
  void Stop();                                                 ///< Ends all clients now. Any thread.

  void NoteConnect(const Error* error) override;
  void Gone(Session& session) override;

 private:
  void ForEach(const std::function<void(Session&)>& action);
  void EndIfIdle();

  const std::shared_ptr<LaneStats> lane_stats_;
  const std::function<void()> on_gone_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::unordered_map<Session*, std::shared_ptr<Session>> sessions_;
  program::FailureLog connects_;
  bool ending_ = false;
};

}  // namespace warren::gateway
