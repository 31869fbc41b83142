// JobRunner: the rules about one delivered request (docs/wire.md, "Failure"): which are run, which
// are answered without being run, how many run at once, and what an answer carries.
//
// Threads: everything on the worker's executor, the Responders it hands out excepted.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "proxy/worker/shard_consumer.h"
#include "proxy/worker/worker.h"
#include "proxy/worker/worker_metrics.h"

namespace warren::worker {

class JobRunner : public std::enable_shared_from_this<JobRunner> {
 public:
  ~JobRunner();
  static std::shared_ptr<JobRunner> Make(boost::asio::any_io_executor executor, unsigned concurrency, Handler handler,
                                         WorkerMetrics& metrics);

  /// What answers say about where they come from.
  void SetOrigin(std::string node, std::string instance);
  /// Runs the job now, or when fewer than `concurrency` run.
  void Take(Job job);
  /// Forgets waiting jobs and drops the results of running ones: their connection is gone.
  void Abandon();
  bool idle() const { return running_.empty() && waiting_.empty(); }

 private:
  using Clock = std::chrono::steady_clock;
  JobRunner(boost::asio::any_io_executor executor, unsigned concurrency, Handler handler, WorkerMetrics& metrics);

  struct Running {
    std::optional<Job> job;  ///< Nothing once it was abandoned.
    Clock::time_point started;
    std::optional<std::int64_t> queue_us;
  };

  void RunWaiting();
  bool Settled(Job& job, std::int64_t now_ms);
  void Run(Job job, std::int64_t now_ms);
  void Finish(std::uint64_t number, wire::Response response);
  void Send(const Job& job, wire::Response response);

  std::shared_ptr<AnswerGate> gate_;
  unsigned concurrency_;
  Handler handler_;
  WorkerMetrics& metrics_;
  std::string node_, instance_;
  std::deque<Job> waiting_;
  std::map<std::uint64_t, Running> running_;  ///< By number; responders know no more than that.
  std::uint64_t next_number_ = 0;
};

}  // namespace warren::worker
