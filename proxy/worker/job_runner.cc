// The gate and the failure rules.
#include "proxy/worker/job_runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <random>
#include <utility>

#include "shardmgr/program/logging.h"

namespace warren::worker {
namespace {

constexpr std::chrono::milliseconds kClaimAgain{500};    ///< Where no answer came.
constexpr std::chrono::seconds kLongestClaim{30};        ///< Of a request without a deadline.
constexpr std::chrono::milliseconds kShortestPause{10};  ///< Between two looks at what is due.

/// What tells the attempts of this process from those of another one with the same instance's name.
std::string MakeNonce() {
  std::random_device random;
  return fmt::format("{:08x}", static_cast<std::uint32_t>(random()));
}

std::int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

std::shared_ptr<JobRunner> JobRunner::Make(boost::asio::any_io_executor executor, JobRunnerOptions options,
                                           Handler handler, WorkerMetrics& metrics) {
  options.concurrency = std::max(options.concurrency, 1u);
  const std::shared_ptr<JobRunner> runner(new JobRunner(executor, options, std::move(handler), metrics));
  const auto finish = [weak = std::weak_ptr(runner)](std::uint64_t number, wire::Response response) {
    if (const auto self = weak.lock()) self->Finish(number, std::move(response));
  };
  runner->gate_ = std::make_shared<AnswerGate>(std::move(executor), finish);
  return runner;
}

JobRunner::JobRunner(const boost::asio::any_io_executor& executor, JobRunnerOptions options, Handler handler,
                     WorkerMetrics& metrics)
    : options_(options), handler_(std::move(handler)), metrics_(metrics), timer_(executor), nonce_(MakeNonce()) {}

JobRunner::~JobRunner() { gate_->Shut(); }

void JobRunner::SetOrigin(std::string node, std::string instance) {
  node_ = std::move(node);
  instance_ = std::move(instance);
}

void JobRunner::Take(Job job) {
  if (job.redelivered) metrics_.redelivered.Increment();
  const Clock::time_point now = Clock::now();
  waiting_.push_back({std::move(job), next_number_++, now});
  RunWaiting();
  if (options_.accept_after.count() > 0) LookLater(now + options_.accept_after);
}

void JobRunner::RunWaiting() {
  while (running_.size() < options_.concurrency && !waiting_.empty()) {
    Taken taken = std::move(waiting_.front());
    waiting_.pop_front();
    const std::int64_t now_ms = NowMs();
    if (Settled(taken.job, now_ms)) continue;
    if (!NeedsGrant(taken)) {
      Run(std::move(taken), now_ms);
      continue;
    }
    const Clock::time_point now = Clock::now();
    claiming_.push_back(std::move(taken));
    claiming_.back().claiming_since = now;
    Claim(claiming_.back(), now);
  }
}

/// Another worker may have run it, and it must not run twice.
bool JobRunner::NeedsGrant(const Taken& taken) const {
  const Job& job = taken.job;
  return claims_ && job.request.claim && !job.request.retry_safe && !job.first && !taken.granted &&
         !job.reply_to.empty() && !job.correlation_id.empty();
}

void JobRunner::Claim(Taken& taken, Clock::time_point now) {
  if (taken.job.source->Claim(taken.job, AttemptName(taken.number))) {
    if (!std::exchange(taken.claimed, true)) metrics_.claimed.Increment();
  }
  taken.claim_again = now + kClaimAgain;
  LookLater(taken.claim_again);
}

void JobRunner::SetClaims(bool possible) {
  claims_ = possible;
  if (claims_) {  // There is a new inbox: what was sent to an old one is lost.
    const Clock::time_point now = Clock::now();
    for (Taken& taken : claiming_) Claim(taken, now);
    return;
  }
  // What was claimed may have been refused: an answer that did not come is none.
  const auto unasked =
      std::stable_partition(claiming_.begin(), claiming_.end(), [](const Taken& taken) { return taken.claimed; });
  std::move(unasked, claiming_.end(), std::back_inserter(waiting_));
  claiming_.erase(unasked, claiming_.end());
  RunWaiting();
}

void JobRunner::Grant(std::string_view correlation_id, std::string_view attempt) {
  const auto claim = std::find_if(claiming_.begin(), claiming_.end(),
                                  [&](const Taken& taken) { return Is(taken, correlation_id, attempt); });
  if (claim == claiming_.end()) return;
  claim->granted = true;
  waiting_.push_front(std::move(*claim));
  claiming_.erase(claim);
  RunWaiting();
}

bool JobRunner::Is(const Taken& taken, std::string_view correlation_id, std::string_view attempt) const {
  return (taken.accepted || taken.claimed) && taken.job.correlation_id == correlation_id &&
         AttemptName(taken.number) == attempt;
}

// True when the job needs no work: nobody waits for it, or running it again would be wrong.
bool JobRunner::Settled(Job& job, std::int64_t now_ms) {
  if (!job.source->is_open()) {
    job.source->Drop(job);  // The broker delivers it again, here or elsewhere.
    return true;
  }
  const wire::Request& request = job.request;
  if (request.deadline_ms > 0 && now_ms >= request.deadline_ms) {
    metrics_.expired.Increment();
    job.source->Drop(job);
    return true;
  }
  if (job.redelivered && !request.retry_safe) {
    Send(job, PlainResponse(502, "A worker failed while it had this request, and " + request.method +
                                     " is not run a second time."));
    return true;
  }
  return false;
}

void JobRunner::Run(Taken taken, std::int64_t now_ms) {
  wire::Request& request = taken.job.request;
  std::optional<std::int64_t> queue_us;
  if (request.sent_ms > 0) {
    queue_us = std::max<std::int64_t>(now_ms - request.sent_ms, 0) * 1'000;
    metrics_.queue_seconds.Observe(static_cast<double>(*queue_us) / 1e6);
  }
  const auto state = std::make_shared<Responder::State>();
  state->gate = gate_;
  state->number = taken.number;
  state->request = std::move(request);
  running_.emplace_hint(running_.end(), taken.number, Running{std::move(taken), Clock::now(), queue_us, state});
  metrics_.in_flight.Set(static_cast<double>(running_.size()));
  Responder responder(state);
  try {
    const wire::Request& view = responder.request();
    handler_(view, std::move(responder));
  } catch (const std::exception& error) {
    // The responder answers 500 as it goes.
    program::Log(program::LogLevel::kError, "the handler threw", {{"what", error.what()}});
  } catch (...) {
    program::Log(program::LogLevel::kError, "the handler threw", {{"what", "something that is no std::exception"}});
  }
}

void JobRunner::Finish(std::uint64_t number, wire::Response response) {
  const Running done = std::move(running_.extract(number).mapped());
  metrics_.in_flight.Set(static_cast<double>(running_.size()));
  const auto work = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - done.started);
  metrics_.work_seconds.Observe(static_cast<double>(work.count()) / 1e6);
  if (done.taken && done.taken->job.source->is_open()) {
    response.work_us = work.count();
    response.queue_us = done.queue_us;
    if (response.status < wire::kMinStatus || response.status > wire::kMaxStatus) {
      response = PlainResponse(502, "The application's status is not one of a final response.");
    }
    Send(done.taken->job, std::move(response));
  } else if (done.taken) {
    done.taken->job.source->Drop(done.taken->job);
  }
  RunWaiting();
}

void JobRunner::Send(const Job& job, wire::Response response) {
  response.node = node_;
  response.shard = job.source->shard();
  response.worker = instance_;
  metrics_.CountRequest(job.source->Answer(job, response));
}

void JobRunner::Cancel(std::string_view correlation_id, std::string_view attempt) {
  const auto is_it = [&](const Taken& taken) { return Is(taken, correlation_id, attempt); };
  for (std::deque<Taken>* list : {&waiting_, &claiming_}) {
    const auto found = std::find_if(list->begin(), list->end(), is_it);
    if (found == list->end()) continue;
    metrics_.cancelled.Increment();
    found->job.source->Drop(found->job);
    list->erase(found);
    return;
  }
  const auto running = std::find_if(running_.begin(), running_.end(),
                                    [&](const auto& each) { return each.second.taken && is_it(*each.second.taken); });
  if (running == running_.end()) return;
  metrics_.cancelled.Increment();
  const std::shared_ptr<Responder::State> responder = running->second.responder;
  const Job job = std::move(std::exchange(running->second.taken, std::nullopt)->job);
  job.source->Drop(job);
  responder->cancelled.store(true, std::memory_order_release);
  if (const auto give_up = std::exchange(responder->on_cancel, nullptr)) give_up();
}

// One timer for all jobs: it runs while there are some that have not been accepted, or wait for a grant.
void JobRunner::LookLater(Clock::time_point when) {
  if (look_at_ <= when) return;
  look_at_ = when;
  timer_.expires_at(when);
  timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (!self || error) return;
    self->look_at_ = Clock::time_point::max();
    self->Look();
  });
}

void JobRunner::Look() {
  const Clock::time_point now = Clock::now();
  auto next = LookAtClaims(now);
  const auto look_at = [&](Taken& taken) {
    if (taken.accepted) return;
    const Clock::time_point due = taken.at + options_.accept_after;
    if (due > now) {
      next = std::min(next, due);
    } else {
      taken.accepted = true;  // Also where the proxy cannot be told: nothing changes about that.
      if (taken.job.source->Accept(taken.job, AttemptName(taken.number))) metrics_.accepted.Increment();
    }
  };
  if (options_.accept_after.count() > 0) {
    for (auto& [number, running] : running_) {
      if (running.taken) look_at(*running.taken);
    }
    for (Taken& taken : waiting_) {
      if (!NeedsGrant(taken)) look_at(taken);  // Who says that it has a request may run it.
    }
  }
  if (next != Clock::time_point::max()) LookLater(std::max(next, now + kShortestPause));
}

/// Lets go of claims that nobody waits for, and asks again. When the next is due.
JobRunner::Clock::time_point JobRunner::LookAtClaims(Clock::time_point now) {
  const std::int64_t now_ms = NowMs();
  auto next = Clock::time_point::max();
  std::erase_if(claiming_, [&](Taken& taken) {
    if (Settled(taken.job, now_ms)) return true;
    if (now - taken.claiming_since >= kLongestClaim && taken.job.request.deadline_ms == 0) {
      metrics_.expired.Increment();
      taken.job.source->Drop(taken.job);
      return true;
    }
    if (taken.claim_again <= now) Claim(taken, now);
    next = std::min(next, taken.claim_again);
    return false;
  });
  return next;
}

std::string JobRunner::AttemptName(std::uint64_t number) const {
  return instance_ + "-" + nonce_ + "-" + std::to_string(number);
}

void JobRunner::Abandon() {
  waiting_.clear();
  claiming_.clear();
  for (auto& [number, running] : running_) running.taken.reset();
}

}  // namespace warren::worker
