// The gate and the failure rules.
#include "proxy/worker/job_runner.h"

#include <algorithm>
#include <utility>

#include "shardmgr/program/logging.h"

namespace warren::worker {
namespace {

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
    : options_(options), handler_(std::move(handler)), metrics_(metrics), accept_timer_(executor) {}

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
  if (!accept_timer_runs_ && options_.accept_after.count() > 0) AcceptLater(now + options_.accept_after);
}

void JobRunner::RunWaiting() {
  while (running_.size() < options_.concurrency && !waiting_.empty()) {
    Taken taken = std::move(waiting_.front());
    waiting_.pop_front();
    const std::int64_t now_ms = NowMs();
    if (!Settled(taken.job, now_ms)) Run(std::move(taken), now_ms);
  }
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
  const auto is_it = [&](const Taken& taken) {
    return taken.accepted && taken.job.correlation_id == correlation_id && AttemptName(taken.number) == attempt;
  };
  const auto waiting = std::find_if(waiting_.begin(), waiting_.end(), is_it);
  if (waiting != waiting_.end()) {
    metrics_.cancelled.Increment();
    waiting->job.source->Drop(waiting->job);
    waiting_.erase(waiting);
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

void JobRunner::AcceptLater(Clock::time_point when) {
  accept_timer_runs_ = true;
  accept_timer_.expires_at(when);
  accept_timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (!self || error) return;
    self->accept_timer_runs_ = false;
    self->AcceptDue();
  });
}

// One timer for all jobs: it runs while there are some that have not been accepted.
void JobRunner::AcceptDue() {
  constexpr std::chrono::milliseconds kShortestPause{10};
  const Clock::time_point now = Clock::now();
  auto next = Clock::time_point::max();
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
  for (auto& [number, running] : running_) {
    if (running.taken) look_at(*running.taken);
  }
  for (Taken& taken : waiting_) look_at(taken);
  if (next != Clock::time_point::max()) AcceptLater(std::max(next, now + kShortestPause));
}

std::string JobRunner::AttemptName(std::uint64_t number) const { return instance_ + "-" + std::to_string(number); }

void JobRunner::Abandon() {
  waiting_.clear();
  for (auto& [number, running] : running_) running.taken.reset();
}

}  // namespace warren::worker
