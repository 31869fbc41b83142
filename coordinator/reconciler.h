// Reconciler: observe -> plan -> apply, until the cluster is what its users want; again when something
// happens, when a drain wants another look, and each interval. The core of the daemon and of its --once. It applies
// nothing unless it leads (lease.h); the rest it does all the same, for whoever reads, and to be ready.
//
// Threads: Run (or ConvergeOnce) belongs to one thread, which blocks in requests and applies; everything
// else may be called from any. Nobody waits for the loop: readers take the last snapshot.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "coordinator/assignment_view.h"
#include "coordinator/events.h"
#include "coordinator/journal.h"
#include "coordinator/lease.h"
#include "coordinator/node_pool.h"
#include "coordinator/status.h"
#include "policies/error.h"
#include "shardmgr/broker/management/client.h"

namespace warren::coordinator {

struct ReconcilerOptions {
  management::ClientOptions management;
  PoolOptions pool;
  std::string name;              ///< As other coordinators show it while this one leads.
  std::string policies_dir;      ///< Empty: global parameters alone.
  std::string credentials_file;  ///< Empty: no passwords but our own.
  std::chrono::milliseconds interval{5'000};
  std::chrono::milliseconds statistics_interval{5'000};  ///< PlanLimits::statistics_interval_ms
  std::chrono::milliseconds stall_after{30'000};         ///< PlanLimits::stall_after_ms
  bool never_delete = false;
};

/// What one converging run came to.
enum class RunOutcome {
  kConverged,   ///< Nothing is left to do.
  kPartial,     ///< Something could not be done; conditions say what.
  kUnobserved,  ///< The cluster could not be observed.
  kFollowed,    ///< There is something to do, and it does not lead.
  kStopped,     ///< Stop was called.
};
std::string_view Name(RunOutcome outcome);

struct RunReport {
  RunOutcome outcome = RunOutcome::kConverged;
  std::size_t applied = 0;  ///< Actions that succeeded.
  std::size_t failed = 0;   ///< Streams with an action that failed.
  std::chrono::duration<double> took{0};
};

class Reconciler {
 public:
  explicit Reconciler(ReconcilerOptions options);
  ~Reconciler();

  /// `on_run` on the loop's thread after each run; `on_applied` with each stream that was applied, on the loop's
  /// thread or the pool's. Set before Run.
  void SetListeners(std::function<void(const RunReport&)> on_run, std::function<void(const StreamOutcome&)> on_applied);

  /// Whether the settings can be worked with: the credentials file. kConfiguration.
  Result<void> Check();

  /// Observes and applies until nothing is left to do or no progress is made; waits for what only wants another
  /// look before it goes on; where another coordinator leads, watches it do that. Bounded. `applied` and `failed` are
  /// sums.
  RunReport ConvergeOnce();

  /// Until Stop. Never gives up.
  void Run();
  void Trigger();
  void Stop();  ///< Gives up the lead at once; Run returns after the request that it waits for.

  /// Has `node` emptied of shards, or filled again. Blocks for a request. kNotFound: no such node.
  Result<void> SetDrain(const std::string& node, bool drain);

  std::shared_ptr<const Snapshot> snapshot() const;  ///< Never null.
  EventStatus events() const;
  LeaseStatus lease() const;
  std::shared_ptr<const AssignmentView> assignments() const;  ///< Never null.
  const Journal& journal() const;
  std::size_t amqp_connections() const;
  std::chrono::milliseconds interval() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace warren::coordinator
