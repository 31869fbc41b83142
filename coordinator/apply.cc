// See apply.h.
#include "coordinator/apply.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <set>

#include "coordinator/clock.h"
#include "coordinator/declare_pace.h"
#include "coordinator/stream_apply.h"

namespace warren::coordinator {
namespace {

constexpr std::size_t kStreamsAtOnce = 32;
constexpr std::size_t kMostTriesAtOnce = 8;
constexpr std::chrono::milliseconds kStopCheck{100};
constexpr std::chrono::seconds kPatience{3};

/// See kKillVariable.
class KillSwitch {
 public:
  KillSwitch() {
    const char* text = std::getenv(kKillVariable);
    left_ = text == nullptr ? 0 : std::strtol(text, nullptr, 10);
  }
  bool armed() const { return left_ > 0; }
  void Count() {
    if (left_ > 0 && --left_ == 0) (void)std::raise(SIGKILL);
  }

 private:
  long left_ = 0;
};

/// All streams of one Apply; shared with the pool's thread, and outlives an Apply that was stopped.
struct Batch {
  std::vector<StreamPlan> streams;
  Permit permit;
  std::int64_t observed_at_ms = 0;
  std::size_t next = 0;       // With what follows: pool's thread.
  std::size_t under_way = 0;  // Streams.
  bool waiting = false;       // For clients that declare exchanges.
  std::size_t skipped = 0;    // With what follows: under the mutex.
  std::mutex mutex;
  std::condition_variable done;
  std::vector<StreamOutcome> outcomes;
  bool all_begun = false;
  bool left = false;  // Nobody waits for it any more.
};

}  // namespace

/// Everything but Apply on the pool's thread.
class Applier::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(NodePool& pool, std::function<void(const StreamOutcome&)> on_late, Warrant* warrant)
      : pool_(pool), on_late_(std::move(on_late)), warrant_(warrant) {}

  std::vector<StreamOutcome> Apply(const Plan& plan, const std::function<bool()>& stopped, std::uint64_t term) {
    auto batch = std::make_shared<Batch>();
    batch->permit = {warrant_, term};
    for (const StreamPlan& stream : plan.streams) {
      if (!stream.actions.empty()) batch->streams.push_back(stream);
    }
    batch->observed_at_ms = plan.observed_at_ms;
    const std::size_t total = batch->streams.size();
    boost::asio::post(pool_.executor(), [self = shared_from_this(), batch] {
      std::erase_if(self->tried_, [&](const auto& tried) { return tried.second < batch->observed_at_ms; });
      self->StartMore(batch);
    });
    std::unique_lock lock(batch->mutex);
    const auto patience = std::chrono::steady_clock::now() + kPatience;
    while (batch->outcomes.size() + batch->skipped < total && !stopped()) {
      if (batch->all_begun && !kill_.armed() && std::chrono::steady_clock::now() >= patience) break;
      batch->done.wait_for(lock, kStopCheck);
    }
    batch->left = true;
    return std::move(batch->outcomes);
  }

  bool CanTry(const StreamName& stream) const {
    return !kill_.armed() && (warrant_ == nullptr || warrant_->term() != 0) &&
           tries_ < std::min(kMostTriesAtOnce, pace_.At(Now()).at_once) && !busy_.contains(stream);
  }

  void NoteDeclared() { pace_.Declared(Now()); }

  bool TryApply(const StreamPlan& stream, std::function<void(StreamOutcome)> done) {
    const StreamName name{stream.vhost, stream.exchange};
    if (!CanTry(name)) return false;
    ++tries_;
    Start(stream, {warrant_, warrant_ == nullptr ? 0 : warrant_->term()},
          [self = shared_from_this(), name, done = std::move(done)](StreamOutcome outcome) {
            --self->tries_;
            self->tried_[name] = NowMs();
            done(std::move(outcome));
          });
    return true;
  }

 private:
  static DeclarePace::Time Now() { return std::chrono::steady_clock::now(); }

  void StartMore(const std::shared_ptr<Batch>& batch) {
    const DeclarePace::Verdict pace = pace_.At(Now());
    const std::size_t at_once = kill_.armed() ? 1 : std::min(kStreamsAtOnce, pace.at_once);
    while (batch->under_way < at_once && StartNext(batch)) ++batch->under_way;
    if (pace.until && batch->next < batch->streams.size()) StartMoreAt(*pace.until, batch);
  }

  void StartMoreAt(DeclarePace::Time when, const std::shared_ptr<Batch>& batch) {
    if (std::exchange(batch->waiting, true)) return;
    const auto timer = std::make_shared<boost::asio::steady_timer>(pool_.executor(), when);
    timer->async_wait([self = shared_from_this(), batch, timer](const boost::system::error_code& error) {
      batch->waiting = false;
      if (!error) self->StartMore(batch);
    });
  }

  // False: all of them have begun.
  bool StartNext(const std::shared_ptr<Batch>& batch) {
    while (batch->next < batch->streams.size()) {
      const StreamPlan& stream = batch->streams[batch->next++];
      // What was done since the plan's observation makes its plan for this stream one for yesterday's cluster.
      const StreamName name{stream.vhost, stream.exchange};
      if (busy_.contains(name) || tried_.contains(name)) {
        const std::lock_guard lock(batch->mutex);
        ++batch->skipped;
        batch->done.notify_one();
        continue;
      }
      Start(stream, batch->permit, [self = shared_from_this(), name, batch](StreamOutcome outcome) {
        --batch->under_way;
        self->Take(name, *batch, std::move(outcome));
        self->StartMore(batch);
      });
      return true;
    }
    const std::lock_guard lock(batch->mutex);
    batch->all_begun = true;
    return false;
  }

  void Take(const StreamName& name, Batch& batch, StreamOutcome outcome) {
    {
      const std::lock_guard lock(batch.mutex);
      if (!batch.left) {
        batch.outcomes.push_back(std::move(outcome));
        return batch.done.notify_one();
      }
    }
    tried_[name] = NowMs();
    if (on_late_) on_late_(outcome);
  }

  void Start(const StreamPlan& stream, Permit permit, std::function<void(StreamOutcome)> done) {
    const StreamName name{stream.vhost, stream.exchange};
    busy_.insert(name);
    std::make_shared<StreamApply>(
        pool_, permit, stream, kill_.armed(), [this] { kill_.Count(); },
        [self = shared_from_this(), name, done = std::move(done)](StreamOutcome outcome) {
          self->busy_.erase(name);
          done(std::move(outcome));
        })
        ->Start();
  }

  NodePool& pool_;
  const std::function<void(const StreamOutcome&)> on_late_;
  Warrant* const warrant_;
  KillSwitch kill_;
  DeclarePace pace_;
  std::set<StreamName> busy_;                 ///< Under way.
  std::map<StreamName, std::int64_t> tried_;  ///< When a try ended; those since the last plan's observation.
  std::size_t tries_ = 0;
};

const ActionOutcome* StreamOutcome::failure() const {
  for (const ActionOutcome& action : actions) {
    if (action.attempted && !action.result) return &action;
  }
  return nullptr;
}

std::size_t StreamOutcome::succeeded() const {
  std::size_t count = 0;
  for (const ActionOutcome& action : actions) count += action.attempted && action.result ? 1 : 0;
  return count;
}

Applier::Applier(NodePool& pool, std::function<void(const StreamOutcome&)> on_late, Warrant* warrant)
    : impl_(std::make_shared<Impl>(pool, std::move(on_late), warrant)) {}
Applier::~Applier() = default;
std::vector<StreamOutcome> Applier::Apply(const Plan& plan, const std::function<bool()>& stopped, std::uint64_t term) {
  return impl_->Apply(plan, stopped, term);
}
void Applier::NoteDeclared() { impl_->NoteDeclared(); }
bool Applier::CanTry(const StreamName& stream) const { return impl_->CanTry(stream); }
bool Applier::TryApply(const StreamPlan& stream, std::function<void(StreamOutcome)> done) {
  return impl_->TryApply(stream, std::move(done));
}

}  // namespace warren::coordinator
