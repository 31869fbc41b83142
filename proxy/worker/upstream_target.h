// UpstreamTarget: one address of an application: its kept connections, and whether it is fit to be asked. It is
// looked at each second (a GET of the health path, or a connection where it was unfit), and what requests meet counts
// too.
//
// Threads: everything on one executor.
#pragma once

#include <prometheus/gauge.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "proxy/worker/upstream.h"
#include "proxy/worker/upstream_connection.h"

namespace warren::worker {

class UpstreamTarget final : private UpstreamConnection::User {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr int kBrokenToSuspend = 5;             ///< Responses in a row that were none.
  static constexpr std::chrono::seconds kSuspension{5};  ///< For these, where another address can be asked.
  static constexpr std::chrono::minutes kLongestUse{5};  ///< Of one connection: addresses behind names change.
  static constexpr int kFailuresToUnfit = 3;    ///< Connects in a row that failed; one that was refused is enough.
  static constexpr int kBadAnswersToUnfit = 2;  ///< Of the health path, in a row.

  /// `on_fitness` when is_fit() changed.
  UpstreamTarget(const boost::asio::any_io_executor& executor, UpstreamAddress address, const UpstreamOptions& options,
                 std::function<void()> on_fitness, prometheus::Gauge& fit, prometheus::Gauge& connections);
  ~UpstreamTarget();
  UpstreamTarget(const UpstreamTarget&) = delete;
  UpstreamTarget& operator=(const UpstreamTarget&) = delete;

  void Start();
  void Stop();

  bool is_fit() const { return fit_; }
  std::size_t in_use() const { return in_use_; }  ///< Connections with a request, or being made for one.
  const UpstreamAddress& address() const { return address_; }

  /// A kept connection, or null. The system is asked whether it still is open and quiet.
  std::shared_ptr<UpstreamConnection> TakeResting();
  /// A new connection, on its way to `user`.
  std::shared_ptr<UpstreamConnection> Connect(UpstreamConnection::User& user);
  /// The request on a connection from here is over; `keep`: it can be used again.
  void GiveBack(const std::shared_ptr<UpstreamConnection>& connection, bool keep);

  void NoteConnect(boost::system::error_code error);
  /// `answered`: whether it gave a response. `others`: whether another fit address is there.
  void NoteResult(bool answered, bool others);

 private:
  void Look();
  void Resolve();
  void Probe();
  void EndProbe(const std::string& problem);
  void OnConnected(UpstreamConnection& connection, boost::system::error_code error) override;
  void OnResult(UpstreamConnection& connection, ExchangeResult result) override;
  void DropOld();
  void SetFit(bool fit, const std::string& why);

  UpstreamAddress address_;
  const UpstreamOptions& options_;
  std::function<void()> on_fitness_;
  prometheus::Gauge& fit_gauge_;
  prometheus::Gauge& connections_gauge_;
  boost::asio::any_io_executor executor_;
  boost::asio::steady_timer timer_;
  boost::asio::ip::tcp::resolver resolver_;
  bool named_ = false;  ///< The host is a name, to be resolved now and then.
  bool resolving_ = false;
  Clock::time_point resolved_at_;
  UpstreamConnection::Endpoints endpoints_;

  std::vector<std::shared_ptr<UpstreamConnection>> resting_;  ///< The longest unused first.
  std::size_t in_use_ = 0;
  std::shared_ptr<UpstreamConnection> probe_;
  Clock::time_point probe_ends_;
  wire::Request probe_request_;
  bool fit_ = false, stopped_ = false;
  int failures_ = 0, broken_ = 0, bad_answers_ = 0;
  Clock::time_point suspended_until_;
};

}  // namespace warren::worker
