// JobRunner: the rules about one delivered request (docs/wire.md, "Rules for workers", "Long work" and "Claims"):
// which are run, which are answered without being run, how many run at once, what an answer carries, and when work is
// given up.
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
  /// Whether the proxy can be asked before what may have been run elsewhere is run; false: it is run by the broker's
  /// flag alone.
  void SetClaims(bool possible);
  /// This attempt, which was claimed, may be run. Unknown ones are ignored.
  void Grant(std::string_view correlation_id, std::string_view attempt);
  /// Nobody waits for the answer to this attempt: acks it, and what runs is told to give up. Unknown ones are ignored.
  void Cancel(std::string_view correlation_id, std::string_view attempt);
  /// Forgets waiting jobs and drops the results of running ones: their connection is gone.
  void Abandon();
  bool idle() const { return running_.empty() && waiting_.empty() && claiming_.empty(); }

 private:
  using Clock = std::chrono::steady_clock;
  JobRunner(const boost::asio::any_io_executor& executor, JobRunnerOptions options, Handler handler,
            WorkerMetrics& metrics);

  /// A job that was delivered; `number` counts them and is a part of the attempt's name.
  struct Taken {
    Job job;
    std::uint64_t number = 0;
    Clock::time_point at;
    bool accepted = false;  ///< The proxy was told, or cannot be.
    bool granted = false;   ///< The proxy said that it may be run.
    bool claimed = false;
    Clock::time_point claiming_since = {}, claim_again = {};
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
  bool NeedsGrant(const Taken& taken) const;
  void Claim(Taken& taken, Clock::time_point now);
  bool Is(const Taken& taken, std::string_view correlation_id, std::string_view attempt) const;
  void LookLater(Clock::time_point when);
  void Look();
  Clock::time_point LookAtClaims(Clock::time_point now);
  std::string AttemptName(std::uint64_t number) const;

  const JobRunnerOptions options_;
  std::shared_ptr<AnswerGate> gate_;
  Handler handler_;
  WorkerMetrics& metrics_;
  boost::asio::steady_timer timer_;
  const std::string nonce_;
  Clock::time_point look_at_ = Clock::time_point::max();  ///< When the timer rings; max: not at all.
  std::string node_, instance_;
  bool claims_ = true;
  std::deque<Taken> waiting_, claiming_;
  std::map<std::uint64_t, Running> running_;  ///< By number; responders know no more than that.
  std::uint64_t next_number_ = 0;
};

}  // namespace warren::worker
