// See reconciler.h.
#include "coordinator/reconciler.h"

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "coordinator/clock.h"
#include "coordinator/node_address.h"
#include "coordinator/sources.h"
#include "policies/catalog.h"
#include "shardmgr/program/logging.h"

namespace warren::coordinator {
namespace {

using program::Log;
using program::LogLevel;
using Clock = std::chrono::steady_clock;

constexpr int kMostRounds = 50;
constexpr int kMostRereads = 4;  // How often a plan that was carried out may still be observed unchanged.
constexpr std::chrono::milliseconds kRereadPause{250};

std::vector<std::string> ActionLines(const Plan& plan) {
  std::vector<std::string> lines;
  for (const StreamPlan& stream : plan.streams) {
    for (const Action& action : stream.actions) lines.push_back(stream.vhost + '\0' + action.ToString());
  }
  return lines;
}

}  // namespace

std::string_view Name(RunOutcome outcome) {
  switch (outcome) {
    case RunOutcome::kConverged: return "converged";
    case RunOutcome::kPartial: return "partial";
    case RunOutcome::kUnobserved: return "unobserved";
    case RunOutcome::kStopped: return "stopped";
  }
  return "unknown";
}

class Reconciler::Impl {
 public:
  explicit Impl(ReconcilerOptions options)
      : options_(std::move(options)), client_(options_.management), pool_(options_.pool) {}

  RunReport Converge();
  void Run();
  void Trigger();
  void Stop();

  bool stopped() const { return stopped_; }
  std::shared_ptr<const Snapshot> snapshot() const {
    const std::lock_guard lock(mutex_);
    return snapshot_;
  }
  std::size_t amqp_connections() const { return pool_.open_connections(); }

  std::function<void(const RunReport&)> on_run;
  std::function<void(const StreamOutcome&)> on_applied;
  const ReconcilerOptions& options() const { return options_; }

 private:
  using StreamKey = std::pair<std::string, std::string>;

  /// Observes and plans; the snapshot is made of it. Unset: not observed (logged, in the snapshot).
  std::optional<Plan> Observe();
  void ApplyPlan(const Plan& plan, RunReport& report);
  void PublishFailure(const Error& error);
  void Publish(const Topology& topology, const Plan& plan, Sources sources,
               const std::map<std::string, Error>& unreachable);
  void LogChanges(const Snapshot& snapshot);
  void Sleep(std::chrono::milliseconds duration, bool wakes_on_trigger);
  void Store(std::shared_ptr<const Snapshot> snapshot) {
    const std::lock_guard lock(mutex_);
    snapshot_ = std::move(snapshot);
  }

  ReconcilerOptions options_;
  management::Client client_;
  NodePool pool_;
  ConditionBook book_;
  std::map<StreamKey, Error> failures_;
  std::set<std::string> logged_;  ///< What was said of conditions and problems; said again when it changes.

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  bool triggered_ = false;
  std::atomic<bool> stopped_{false};
  std::shared_ptr<const Snapshot> snapshot_ = std::make_shared<const Snapshot>();
};

std::optional<Plan> Reconciler::Impl::Observe() {
  const auto access =
      options_.policies_dir.empty() ? management::ParameterAccess::kRequired : management::ParameterAccess::kOptional;
  auto topology = client_.Observe(access);
  if (!topology) {
    PublishFailure(topology.error());
    return std::nullopt;
  }
  Sources sources = GatherSources(topology->parameters, options_.policies_dir);
  const auto catalog = policies::Catalog::Build(sources.parameters);
  const auto unreachable = pool_.Probe(topology->nodes);

  PlanLimits limits;
  limits.own_username = options_.management.user;
  for (const auto& [node, error] : unreachable) limits.unreachable_nodes.push_back(node);
  Plan plan = MakePlan(catalog, *topology, limits);

  std::set<StreamKey> busy;  // A failure is over when its stream needs nothing any more.
  for (const StreamPlan& stream : plan.streams) {
    if (!stream.actions.empty()) busy.insert({stream.vhost, stream.exchange});
  }
  std::erase_if(failures_, [&](const auto& failure) { return !busy.contains(failure.first); });
  Publish(*topology, plan, std::move(sources), unreachable);
  return plan;
}

void Reconciler::Impl::PublishFailure(const Error& error) {
  auto next = std::make_shared<Snapshot>(*snapshot());
  const bool news = !next->observation_error || next->observation_error->message != error.message;
  if (!next->observation_error) next->failing_since_ms = NowMs();
  next->observation_error = error;
  Log(news ? LogLevel::kError : LogLevel::kDebug, "the cluster cannot be observed; what is known of it grows stale",
      error);
  Store(std::move(next));
}

void Reconciler::Impl::Publish(const Topology& topology, const Plan& plan, Sources sources,
                               const std::map<std::string, Error>& unreachable) {
  const auto before = snapshot();
  auto next = std::make_shared<Snapshot>();
  next->generation = before->generation + 1;
  next->observed_at_ms = topology.observed_at_ms;
  next->cluster_name = topology.cluster_name;
  next->rabbitmq_version = topology.rabbitmq_version;
  for (const Node& node : topology.nodes) {
    NodeStatus status{node, {}, {}};
    const auto endpoint = NodeEndpoint(node, options_.pool.node_addresses, options_.pool.tls);
    if (endpoint) status.address = endpoint->ToString();
    if (const auto why = unreachable.find(node.name); why != unreachable.end())
      status.unreachable = why->second.ToString();
    next->nodes.push_back(std::move(status));
  }
  next->streams = book_.Update(plan, failures_, NowMs());
  next->problems = plan.problems;
  for (const Error& problem : sources.problems) {
    next->problems.push_back({ConditionType::kDegraded, "InvalidFile", problem.ToString(), false});
  }
  next->notices = std::move(sources.notices);
  next->parameters = std::move(sources.parameters);
  if (before->observation_error) Log(LogLevel::kInfo, "the cluster can be observed again");
  LogChanges(*next);
  Store(std::move(next));
}

void Reconciler::Impl::LogChanges(const Snapshot& snapshot) {
  std::set<std::string> now;
  const auto say = [&](LogLevel level, const std::string& key, std::string_view message, program::LogFields fields) {
    now.insert(key);
    if (!logged_.contains(key)) Log(level, message, fields);
  };
  for (const Condition& problem : snapshot.problems) {
    say(LogLevel::kError, "p" + problem.message, problem.message, {{"reason", problem.reason}});
  }
  for (const std::string& notice : snapshot.notices)
    say(LogLevel::kInfo, "n" + notice, notice, {{"reason", "Overridden"}});
  for (const NodeStatus& node : snapshot.nodes) {
    if (node.unreachable.empty()) continue;
    say(LogLevel::kWarning, "u" + node.node.name, "node runs but cannot be reached; nothing is placed there",
        {{"node", node.node.name}, {"error", node.unreachable}});
  }
  for (const StreamStatus& stream : snapshot.streams) {
    for (const TimedCondition& timed : stream.conditions) {
      const Condition& condition = timed.condition;
      const LogLevel level = condition.type == ConditionType::kDegraded ? LogLevel::kWarning : LogLevel::kInfo;
      say(level, "c" + stream.plan.vhost + '\0' + stream.plan.exchange + '\0' + condition.reason + condition.message,
          condition.message,
          {{"vhost", stream.plan.vhost},
           {"exchange", stream.plan.exchange},
           {"condition", Name(condition.type)},
           {"reason", condition.reason}});
    }
  }
  logged_ = std::move(now);
}

void Reconciler::Impl::ApplyPlan(const Plan& plan, RunReport& report) {
  const auto outcomes = Apply(pool_, plan, [this] { return stopped(); });
  for (const StreamOutcome& outcome : outcomes) {
    if (on_applied) on_applied(outcome);
    report.applied += outcome.succeeded();
    const StreamKey key{outcome.vhost, outcome.exchange};
    const ActionOutcome* failure = outcome.failure();
    if (failure == nullptr) {
      failures_.erase(key);
      Log(LogLevel::kInfo, "stream applied",
          {{"vhost", outcome.vhost}, {"exchange", outcome.exchange}, {"actions", outcome.actions.size()}});
      continue;
    }
    ++report.failed;
    failures_.insert_or_assign(key, failure->result.error().Within(failure->action));
    Log(LogLevel::kWarning, "stream not applied in full", failure->result.error(),
        {{"vhost", outcome.vhost}, {"exchange", outcome.exchange}, {"action", failure->action}});
  }
}

RunReport Reconciler::Impl::Converge() {
  RunReport report;
  const auto started = Clock::now();
  std::vector<std::string> done_before;
  int rereads = 0;
  report.outcome = RunOutcome::kPartial;
  for (int round = 0; round < kMostRounds; ++round) {
    const auto plan = Observe();
    if (stopped()) report.outcome = RunOutcome::kStopped;
    if (!plan) report.outcome = stopped() ? RunOutcome::kStopped : RunOutcome::kUnobserved;
    if (!plan || stopped()) break;
    if (plan->empty()) {
      report.outcome = RunOutcome::kConverged;
      break;
    }
    auto lines = ActionLines(*plan);
    if (lines == done_before) {
      // Carried out and still seen as missing: the statistics may lag, so look again before giving up.
      if (!failures_.empty() || ++rereads > kMostRereads) break;
      Sleep(kRereadPause, false);
      continue;
    }
    ApplyPlan(*plan, report);
    done_before = std::move(lines);
    rereads = 0;
  }
  report.took = Clock::now() - started;
  if (on_run) on_run(report);
  return report;
}

void Reconciler::Impl::Run() {
  while (!stopped()) {
    Converge();
    Sleep(options_.interval, true);
  }
}

void Reconciler::Impl::Sleep(std::chrono::milliseconds duration, bool wakes_on_trigger) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, duration, [&] { return stopped_ || (wakes_on_trigger && triggered_); });
  if (wakes_on_trigger) triggered_ = false;
}

void Reconciler::Impl::Trigger() {
  const std::lock_guard lock(mutex_);
  triggered_ = true;
  wake_.notify_all();
}

void Reconciler::Impl::Stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  wake_.notify_all();
}

Reconciler::Reconciler(ReconcilerOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Reconciler::~Reconciler() = default;
void Reconciler::SetListeners(std::function<void(const RunReport&)> on_run,
                              std::function<void(const StreamOutcome&)> on_applied) {
  impl_->on_run = std::move(on_run);
  impl_->on_applied = std::move(on_applied);
}
RunReport Reconciler::Converge() { return impl_->Converge(); }
void Reconciler::Run() { impl_->Run(); }
void Reconciler::Trigger() { impl_->Trigger(); }
void Reconciler::Stop() { impl_->Stop(); }
std::shared_ptr<const Snapshot> Reconciler::snapshot() const { return impl_->snapshot(); }
std::size_t Reconciler::amqp_connections() const { return impl_->amqp_connections(); }
std::chrono::milliseconds Reconciler::interval() const { return impl_->options().interval; }

}  // namespace warren::coordinator
