// JobRunner: the rules about one delivered request (docs/wire.md, "Rules for workers" and "Long work"): which are
// run, which are answered without being run, how many run at once, what an answer carries, and when work is given up.
//
// Threads: everything on the worker's executor, the Responders it hands out excepted.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/worker/shard_consumer.h"
#include "proxy/worker/worker.h"
#include "proxy/worker/worker_metrics.h"

namespace warren::worker {

struct JobRunnerOptions {
  unsigned concurrency = 16;                    ///< At least 1.
  std::chrono::milliseconds accept_after{250};  ///< 0: never.
};

class JobRunner : public std::enable_shared_from_this<JobRunner> {
 public:
  ~JobRunner();
  static std::shared_ptr<JobRunner> Make(boost::asio::any_io_executor executor, JobRunnerOptions options,
                                         Handler handler, WorkerMetrics& metrics);

  /// What answers say about where they come from.
  void SetOrigin(std::string node, std::string instance);
  /// Runs the job now, or when fewer than `concurrency` run.
  void Take(Job job);
  /// Nobody waits for the answer to this attempt: acks it, and what runs is told to give up. Unknown ones are ignored.
  void Cancel(std::string_view correlation_id, std::string_view attempt);
  /// Forgets waiting jobs and drops the results of running ones: their connection is gone.
  void Abandon();
  bool idle() const { return running_.empty() && waiting_.empty(); }

 private:
  using Clock = std::chrono::steady_clock;
  JobRunner(const boost::asio::any_io_executor& executor, JobRunnerOptions options, Handler handler,
            WorkerMetrics& metrics);

  /// A job that was delivered; `number` counts them and is a part of the attempt's name.
  struct Taken {
    Job job;
    std::uint64_t number = 0;
    Clock::time_point at;
    bool accepted = false;
  };
  struct Running {
    std::optional<Taken> taken;  ///< Nothing once it was abandoned or cancelled.
    Clock::time_point started;
    std::optional<std::int64_t> queue_us;
    std::shared_ptr<Responder::State> responder;
  };

  void RunWaiting();
  bool Settled(Job& job, std::int64_t now_ms);
  void Run(Taken taken, std::int64_t now_ms);
  void Finish(std::uint64_t number, wire::Response response);
  void Send(const Job& job, wire::Response response);
  void AcceptLater(Clock::time_point when);
  void AcceptDue();
  std::string AttemptName(std::uint64_t number) const;

  const JobRunnerOptions options_;
  std::shared_ptr<AnswerGate> gate_;
  Handler handler_;
  WorkerMetrics& metrics_;
  boost::asio::steady_timer accept_timer_;
  bool accept_timer_runs_ = false;
  std::string node_, instance_;
  std::deque<Taken> waiting_;
  std::map<std::uint64_t, Running> running_;  ///< By number; responders know no more than that.
  std::uint64_t next_number_ = 0;
};

}  // namespace warren::worker
