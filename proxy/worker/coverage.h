// Coverage: keeps the worker connected to one node of the cluster, with a session (session.h) over each connection that
// consumes the right shards, and says whether it does.
//
// Threads: everything on the worker's executor; readiness() from any.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <string>

#include "proxy/worker/session.h"
#include "shardmgr/broker/amqp/link.h"
#include "shardmgr/program/failure_log.h"

namespace warren::worker {

class Coverage : public std::enable_shared_from_this<Coverage> {
 public:
  static std::shared_ptr<Coverage> Make(boost::asio::any_io_executor executor, WorkerOptions options, JobRunner& runner,
                                        WorkerMetrics& metrics);

  void Start();
  void SetAccepting(bool accepting);
  /// Closes the connection; `done` once the broker has answered that, within 2 s. Never called from inside Stop.
  void Stop(std::function<void()> done = {});

  bool idle() const { return !session_ || session_->idle(); }
  program::Readiness readiness() const;

 private:
  Coverage(boost::asio::any_io_executor executor, WorkerOptions options, JobRunner& runner, WorkerMetrics& metrics);

  void OnUp(const std::shared_ptr<amqp::Connection>& connection);
  void OnDown(const amqp::Endpoint& endpoint, const Error& error, bool was_up);
  void ScheduleRefresh();
  void Say(bool ready, std::string reason);

  boost::asio::any_io_executor executor_;
  WorkerOptions options_;
  std::string instance_;
  JobRunner& runner_;
  WorkerMetrics& metrics_;
  std::unique_ptr<ClusterView> cluster_;
  std::unique_ptr<amqp::Link> link_;
  boost::asio::steady_timer timer_;
  std::mt19937 random_;

  std::shared_ptr<Session> session_;  ///< While connected.
  bool accepting_ = true;
  bool stopped_ = false;
  std::function<void()> on_stopped_;
  program::FailureLog failures_;  ///< By endpoint.

  mutable std::mutex mutex_;
  program::Readiness readiness_{false, "not connected to the broker yet"};
};

}  // namespace warren::worker
