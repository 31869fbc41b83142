// See reconciler.h. The loop and nothing else: a look is observer.h, what is known is put up on the board
// (board.h), what events bring comes over the desk (event_desk.h).
#include "coordinator/reconciler.h"

#include <algorithm>

#include "coordinator/clock.h"
#include "coordinator/digest.h"
#include "coordinator/observer.h"
#include "coordinator/outcome_book.h"
#include "policies/names.h"

namespace warren::coordinator {
namespace {

using program::Log;
using program::LogLevel;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr int kMostRounds = 5'000;  // A cluster that changes as fast as it is put right is left for the next run.
constexpr int kMostRereads = 4;     // How often a plan that was carried out may still be observed unchanged.
constexpr int kMostLooks = 20;      // Of --once, at drains that go on.
constexpr milliseconds kRereadPause{250};
constexpr milliseconds kShortestLook{100};
constexpr milliseconds kDrainTimeout{5'000};
constexpr milliseconds kTellLostEvery{10'000};
// Of --once: until it is known who leads; until the one that does has done all; between two looks at that.
constexpr milliseconds kLeadPatience{5'000}, kFollowPatience{60'000}, kFollowPause{300}, kLookPause{20};
constexpr milliseconds kBlindAfter{10'000};  // At the least: who sees nothing for longer than this cannot lead.
constexpr milliseconds kShortestCheck{1'000}, kLongestCheck{30'000};  // Of the subscription to events.

management::ClientOptions WithTimeout(management::ClientOptions options, milliseconds timeout) {
  options.timeout = timeout;
  return options;
}

}  // namespace

std::string_view Name(RunOutcome outcome) {
  switch (outcome) {
    case RunOutcome::kConverged: return "converged";
    case RunOutcome::kPartial: return "partial";
    case RunOutcome::kUnobserved: return "unobserved";
    case RunOutcome::kFollowed: return "followed";
    case RunOutcome::kStopped: return "stopped";
  }
  return "unknown";
}

class Reconciler::Impl {
 public:
  explicit Impl(ReconcilerOptions options) : options_(std::move(options)) {}
  ~Impl() {
    pool_.Stop();  // Nothing calls in from its thread any more.
    assignments_.Stop();
    RunReport report;
    TakeLate(report);
  }

  RunReport ConvergeOnce();
  void Run();
  Result<void> SetDrain(const std::string& node, bool drain);

 private:
  friend class Reconciler;

  PoolOptions WatchedPool();
  EventHandlers Ears();
  void OnLease(const LeaseStatus& status);
  void FindLeader();
  void MakeWayIfBlind();
  std::uint64_t TakeTerm();
  RunReport Converge(EventSource* events);
  void ApplyPlan(const Plan& plan, std::uint64_t term, RunReport& report, Lines& failed);
  void Tell(const StreamOutcome& outcome, bool news = true);
  void Take(const StreamOutcome& outcome, RunReport& report);
  void TakeLate(RunReport& report);
  milliseconds UntilNextLook() const;

  // What comes later in this list uses what comes before.
  const ReconcilerOptions options_;
  std::function<void(const RunReport&)> on_run_;
  std::function<void(const StreamOutcome&)> on_applied_;
  Waker waker_;
  Journal journal_;
  Board board_{journal_};
  OutcomeBook outcomes_;
  std::map<std::string, Clock::time_point> lost_;  ///< Node -> when its connection ended; the pool's thread.
  Drains drains_;                                  ///< Of the last plan.
  std::optional<std::int64_t> next_look_ms_;  ///< When the last plan wants the next one, Unix time; unset: it does not.
  management::Client drain_client_{WithTimeout(options_.management, kDrainTimeout)};
  NodePool pool_{WatchedPool()};
  Lease lease_{pool_.executor(),
               {options_.pool.credentials, options_.pool.tls_ca_file, options_.name},
               [this](const LeaseStatus& status) { OnLease(status); }};
  LeaseStatus told_;           ///< As the log has it; the pool's thread.
  std::uint64_t in_term_ = 0;  ///< The lead under which the history was gathered.
  AssignDesk assignments_{
      {options_.pool.credentials, options_.pool.tls_ca_file, options_.management, options_.statistics_interval},
      lease_,
      journal_};
  Applier applier_{pool_,
                   [this](const StreamOutcome& outcome) {
                     outcomes_.AddLate(outcome);
                     waker_.Event();
                   },
                   &lease_};
  EventDesk desk_{applier_, waker_, [this](const StreamOutcome& outcome) { Tell(outcome); }};
  EventSource events_{pool_.executor(),
                      {options_.pool.credentials, options_.pool.tls_ca_file,
                       std::clamp(options_.interval, kShortestCheck, kLongestCheck)},
                      Ears()};
  Observer observer_{options_, pool_, waker_, board_, desk_, lease_, assignments_};
};

PoolOptions Reconciler::Impl::WatchedPool() {
  PoolOptions pool = options_.pool;
  pool.on_node_lost = [this](const std::string& node) {
    // A node may take connections and drop them, again and again: looks are bounded, and so is what is told.
    const auto now = Clock::now();
    const auto [told, first] = lost_.try_emplace(node, now);
    if (first || now - told->second >= kTellLostEvery)
      journal_.Add("node-lost", "the connection to node " + node + " ended");
    told->second = now;
    waker_.Event();
  };
  return pool;
}

EventHandlers Reconciler::Impl::Ears() {
  return {.on_event =
              [this](const ClusterEvent& event) {
                lease_.OnEvent(event);
                assignments_.OnEvent(event);
                desk_.OnEvent(event);
              },
          .on_status =
              [this](const EventStatus& status) {
                const std::string message =
                    status.connected ? "events of the cluster are heard" : "polling, without events: " + status.reason;
                Log(status.connected ? LogLevel::kInfo : LogLevel::kWarning, message);
                journal_.Add(status.connected ? "events-connected" : "events-lost", message);
                waker_.Event();  // What happened meanwhile was not heard.
              }};
}

void Reconciler::Impl::OnLease(const LeaseStatus& status) {
  assignments_.OnLease();
  if (status.role == told_.role && status.leader == told_.leader) return;
  waker_.Notify();
  // Who leads is often known a moment after that it is somebody else.
  if (status.role == Role::kFollower && status.leader.empty()) return;
  const std::string message = status.ToString();
  const bool bad = status.role == Role::kAlone || (status.role == Role::kSeeking && !waker_.stopped());
  Log(bad ? LogLevel::kWarning : LogLevel::kInfo, message);
  journal_.Add("role", message);
  told_ = status;
}

/// Another coordinator may see the cluster by other ways.
void Reconciler::Impl::MakeWayIfBlind() {
  const auto snapshot = board_.snapshot();
  const auto patience = std::max(kBlindAfter, 3 * options_.interval);
  if (!snapshot->observation_error || NowMs() - snapshot->failing_since_ms < patience.count()) return;
  lease_.NoteBlind("the cluster cannot be observed: " + snapshot->observation_error->ToString());
}

/// The lead that is held now. With a new one begins a new history: what was seen while another acted is not relied on.
std::uint64_t Reconciler::Impl::TakeTerm() {
  const std::uint64_t term = lease_.term();
  if (term != 0 && term != in_term_) {
    observer_.Forget();
    outcomes_.failures().clear();
    in_term_ = term;
  }
  return term;
}

/// `news`: a failure that was not told before.
void Reconciler::Impl::Tell(const StreamOutcome& outcome, bool news) {
  if (on_applied_) on_applied_(outcome);
  const std::string done = Summary(outcome);
  if (!done.empty()) {
    journal_.Add({NowMs(), "applied", outcome.vhost, outcome.exchange, done});
    Log(LogLevel::kInfo, "stream applied",
        {{"vhost", outcome.vhost}, {"exchange", outcome.exchange}, {"actions", done}});
  }
  const ActionOutcome* failure = outcome.failure();
  if (failure == nullptr) return;
  if (news) {
    journal_.Add({NowMs(), "apply-failed", outcome.vhost, outcome.exchange,
                  failure->action + ": " + failure->result.error().ToString()});
  }
  Log(news ? LogLevel::kWarning : LogLevel::kDebug, "stream not applied in full", failure->result.error(),
      {{"vhost", outcome.vhost}, {"exchange", outcome.exchange}, {"action", failure->action}});
}

/// Takes note of what became of a stream, whether it was waited for or not.
void Reconciler::Impl::Take(const StreamOutcome& outcome, RunReport& report) {
  for (const std::string& queue : Rebounds(outcome)) observer_.NoteRebound(outcome.vhost, queue);
  report.applied += outcome.succeeded();
  report.failed += outcome.failure() == nullptr ? 0 : 1;
  Tell(outcome, outcomes_.Note(outcome));
}

void Reconciler::Impl::TakeLate(RunReport& report) {
  for (const StreamOutcome& outcome : outcomes_.TakeLate()) Take(outcome, report);
}

void Reconciler::Impl::ApplyPlan(const Plan& plan, std::uint64_t term, RunReport& report, Lines& failed) {
  TakeLate(report);  // Of a stream that ended after the plan's observation it is older than what comes now.
  const Lines lines = ActionLines(plan);
  desk_.ExpectUnbindings(plan);
  const auto ended = [this, term] { return waker_.stopped() || lease_.term() != term; };
  for (const StreamOutcome& outcome : applier_.Apply(plan, ended, term)) {
    Take(outcome, report);
    const StreamName name{outcome.vhost, outcome.exchange};
    if (outcome.failure() != nullptr) failed[name] = lines.at(name);
  }
}

RunReport Reconciler::Impl::Converge(EventSource* events) {
  RunReport report;
  const auto started = Clock::now();
  Lines done_before, failed;
  int rereads = 0;
  report.outcome = RunOutcome::kPartial;
  for (int round = 0; round < kMostRounds; ++round) {
    TakeLate(report);
    const std::uint64_t term = TakeTerm();
    const auto plan = observer_.Look(outcomes_.failures(), events);
    drains_ = plan ? DrainsOf(*plan) : Drains{};
    next_look_ms_ = plan ? plan->next_look_ms() : std::nullopt;
    if (drains_.unknown && !next_look_ms_) next_look_ms_ = plan->observed_at_ms + options_.statistics_interval.count();
    if (waker_.stopped()) report.outcome = RunOutcome::kStopped;
    if (!plan) MakeWayIfBlind();
    if (!plan && !waker_.stopped()) report.outcome = RunOutcome::kUnobserved;
    if (!plan || waker_.stopped()) break;
    if (plan->empty()) {
      report.outcome = RunOutcome::kConverged;
      break;
    }
    if (term == 0 || lease_.term() != term) {
      report.outcome = RunOutcome::kFollowed;
      break;
    }
    // A stream that failed in this run waits for the next: others may go on for many rounds.
    const Plan rest = Without(*plan, failed);
    if (rest.empty()) break;
    auto lines = ActionLines(rest);
    if (lines == done_before) {
      // Carried out and still seen as missing: the statistics may lag, so look again before giving up.
      if (++rereads > kMostRereads) break;
      waker_.Pause(kRereadPause);
      continue;
    }
    ApplyPlan(rest, term, report, failed);
    done_before = std::move(lines);
    rereads = 0;
  }
  report.took = Clock::now() - started;
  if (on_run_) on_run_(report);
  return report;
}

/// No event tells of counts, so drains are looked at as often as these are news.
milliseconds Reconciler::Impl::UntilNextLook() const {
  const auto pause = drains_.any ? std::min(options_.interval, options_.statistics_interval) : options_.interval;
  if (!next_look_ms_) return pause;
  return std::min(pause, std::max(milliseconds(*next_look_ms_ - NowMs()), kShortestLook));
}

/// Waits until it is known who leads.
void Reconciler::Impl::FindLeader() {
  const auto end = Clock::now() + kLeadPatience;
  while (lease_.status().role == Role::kSeeking && Clock::now() < end && !waker_.stopped()) waker_.Pause(kLookPause);
  if (lease_.status().role == Role::kSeeking) lease_.ActAlone(lease_.status().reason);
}

RunReport Reconciler::Impl::ConvergeOnce() {
  RunReport sum;
  const auto patience = Clock::now() + kFollowPatience;
  for (int look = 0; look < kMostLooks; ++look) {
    RunReport report = Converge(nullptr);
    while (report.outcome == RunOutcome::kFollowed && Clock::now() < patience) {
      FindLeader();
      if (!lease_.status().acts()) waker_.Pause(kFollowPause);
      report = Converge(nullptr);
    }
    sum.outcome = report.outcome;
    sum.applied += report.applied;
    sum.failed += report.failed;
    const bool goes_on = report.outcome == RunOutcome::kConverged || report.outcome == RunOutcome::kPartial;
    if (!goes_on || !next_look_ms_) break;
    waker_.Pause(UntilNextLook());
  }
  return sum;
}

void Reconciler::Impl::Run() {
  assignments_.Start();
  while (!waker_.stopped()) {
    (void)Converge(&events_);
    waker_.SleepUntil(Clock::now() + UntilNextLook());
  }
}

Result<void> Reconciler::Impl::SetDrain(const std::string& node, bool drain) {
  const std::string name = policies::NodeParameterName(node);
  const auto snapshot = board_.snapshot();
  const bool known = std::any_of(snapshot->nodes.begin(), snapshot->nodes.end(),
                                 [&](const NodeStatus& status) { return status.node.name == node; });
  if (drain && !known) return Fail(ErrorCode::kNotFound, "is not a node of this cluster", "node " + node);
  const auto written =
      drain ? drain_client_.PutGlobalParameter(name, {{"drain", true}}) : drain_client_.DeleteGlobalParameter(name);
  if (!written) return tl::unexpected(written.error());
  waker_.Notify();
  return {};
}

Reconciler::Reconciler(ReconcilerOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Reconciler::~Reconciler() = default;
void Reconciler::SetListeners(std::function<void(const RunReport&)> on_run,
                              std::function<void(const StreamOutcome&)> on_applied) {
  impl_->on_run_ = std::move(on_run);
  impl_->on_applied_ = std::move(on_applied);
}
Result<void> Reconciler::Check() { return impl_->observer_.Check(); }
RunReport Reconciler::ConvergeOnce() { return impl_->ConvergeOnce(); }
void Reconciler::Run() { impl_->Run(); }
void Reconciler::Trigger() { impl_->waker_.Event(); }
void Reconciler::Stop() {
  impl_->waker_.Stop();
  impl_->lease_.Release();
}
Result<void> Reconciler::SetDrain(const std::string& node, bool drain) { return impl_->SetDrain(node, drain); }
std::shared_ptr<const Snapshot> Reconciler::snapshot() const { return impl_->board_.snapshot(); }
EventStatus Reconciler::events() const { return impl_->events_.status(); }
LeaseStatus Reconciler::lease() const { return impl_->lease_.status(); }
std::shared_ptr<const AssignmentView> Reconciler::assignments() const { return impl_->assignments_.view(); }
const Journal& Reconciler::journal() const { return impl_->journal_; }
std::size_t Reconciler::amqp_connections() const { return impl_->pool_.open_connections(); }
milliseconds Reconciler::interval() const { return impl_->options_.interval; }

}  // namespace warren::coordinator
