// JobRunner: the rules about one delivered request (docs/wire.md, "Failure"): which are run, which
// are answered without being run, how many run at once, and what an answer carries.
//
// Threads: everything on the worker's executor, the Responders it hands out excepted.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <deque>
#include <memory>
#include <string>

#include "proxy/worker/shard_consumer.h"
#include "proxy/worker/worker.h"
#include "proxy/worker/worker_metrics.h"

namespace warren::worker {

class JobRunner : public std::enable_shared_from_this<JobRunner> {
 public:
  static std::shared_ptr<JobRunner> Make(boost::asio::any_io_executor executor, unsigned concurrency, Handler handler,
                                         WorkerMetrics& metrics);

  /// What answers say about where they come from.
  void SetOrigin(std::string node, std::string instance);
  /// Runs the job now, or when fewer than `concurrency` run.
  void Take(Job job);
  /// Forgets waiting jobs and drops the results of running ones: their connection is gone.
  void Abandon();
  bool idle() const { return running_ == 0 && waiting_.empty(); }

 private:
  using Clock = std::chrono::steady_clock;
  JobRunner(boost::asio::any_io_executor executor, unsigned concurrency, Handler handler, WorkerMetrics& metrics);

  void RunWaiting();
  bool Settled(Job& job, std::int64_t now_ms);
  void Run(Job job, std::int64_t now_ms);
  /// `job` is null when it was abandoned meanwhile.
  void Finish(const Job* job, Clock::time_point started, wire::Response response);
  void Send(const Job& job, wire::Response response);

  boost::asio::any_io_executor executor_;
  unsigned concurrency_;
  Handler handler_;
  WorkerMetrics& metrics_;
  std::string node_, instance_;
  std::deque<Job> waiting_;
  unsigned running_ = 0;
  std::uint64_t generation_ = 0;  ///< Counts Abandon: answers to jobs of an earlier one are dropped.
};

}  // namespace warren::worker
