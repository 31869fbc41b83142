// Reconciler: observe -> plan -> apply, until the cluster is what its users want, and again each
// interval. The core of the daemon and of its --once.
//
// Threads: Run (or Converge) belongs to one thread, which blocks in requests and applies; everything
// else may be called from any. Nobody waits for the loop: readers take the last snapshot.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "coordinator/node_pool.h"
#include "coordinator/status.h"
#include "policies/error.h"
#include "shardmgr/broker/management/client.h"

namespace warren::coordinator {

struct ReconcilerOptions {
  management::ClientOptions management;
  PoolOptions pool;
  std::string policies_dir;  ///< Empty: global parameters alone.
  std::chrono::milliseconds interval{5'000};
};

/// What one converging run came to.
enum class RunOutcome {
  kConverged,   ///< Nothing is left to do.
  kPartial,     ///< Something could not be done; conditions say what.
  kUnobserved,  ///< The cluster could not be observed.
  kStopped,     ///< Stop was called.
};
std::string_view Name(RunOutcome outcome);

struct RunReport {
  RunOutcome outcome = RunOutcome::kConverged;
  std::size_t applied = 0;  ///< Actions that succeeded.
  std::size_t failed = 0;   ///< Actions that failed.
  std::chrono::duration<double> took{0};
};

class Reconciler {
 public:
  explicit Reconciler(ReconcilerOptions options);
  ~Reconciler();

  /// Called on the loop's thread: after each run, and with each stream that was applied. Set before Run.
  void SetListeners(std::function<void(const RunReport&)> on_run, std::function<void(const StreamOutcome&)> on_applied);

  /// Observes and applies until nothing is left to do or no progress is made; a bounded number of rounds.
  RunReport Converge();

  /// Converges each interval, or when triggered, until Stop. Never gives up.
  void Run();
  void Trigger();
  void Stop();  ///< Run returns after the request that it waits for.

  std::shared_ptr<const Snapshot> snapshot() const;  ///< Never null.
  std::size_t amqp_connections() const;
  std::chrono::milliseconds interval() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace warren::coordinator
