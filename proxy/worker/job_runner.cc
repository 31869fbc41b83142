// The gate and the failure rules.
#include "proxy/worker/job_runner.h"

#include <algorithm>

#include "shardmgr/program/logging.h"

namespace warren::worker {
namespace {

std::int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

std::shared_ptr<JobRunner> JobRunner::Make(boost::asio::any_io_executor executor, unsigned concurrency, Handler handler,
                                           WorkerMetrics& metrics) {
  return std::shared_ptr<JobRunner>(
      new JobRunner(std::move(executor), std::max(concurrency, 1u), std::move(handler), metrics));
}

JobRunner::JobRunner(boost::asio::any_io_executor executor, unsigned concurrency, Handler handler,
                     WorkerMetrics& metrics)
    : gate_(std::make_shared<AnswerGate>(std::move(executor))),
      concurrency_(concurrency),
      handler_(std::move(handler)),
      metrics_(metrics) {}

JobRunner::~JobRunner() { gate_->Shut(); }

void JobRunner::SetOrigin(std::string node, std::string instance) {
  node_ = std::move(node);
  instance_ = std::move(instance);
}

void JobRunner::Take(Job job) {
  if (job.redelivered) metrics_.redelivered.Increment();
  waiting_.push_back(std::move(job));
  RunWaiting();
}

void JobRunner::RunWaiting() {
  while (running_.size() < concurrency_ && !waiting_.empty()) {
    Job job = std::move(waiting_.front());
    waiting_.pop_front();
    const std::int64_t now_ms = NowMs();
    if (!Settled(job, now_ms)) Run(std::move(job), now_ms);
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

void JobRunner::Run(Job job, std::int64_t now_ms) {
  std::optional<std::int64_t> queue_us;
  if (job.request.sent_ms > 0) {
    queue_us = std::max<std::int64_t>(now_ms - job.request.sent_ms, 0) * 1'000;
    metrics_.queue_seconds.Observe(static_cast<double>(*queue_us) / 1e6);
  }
  wire::Request request = std::move(job.request);
  const std::uint64_t number = next_number_++;
  running_.emplace(number, Running{std::move(job), Clock::now(), queue_us});
  metrics_.in_flight.Set(static_cast<double>(running_.size()));
  Responder responder(gate_, std::move(request), [weak = weak_from_this(), number](wire::Response response) {
    if (const auto self = weak.lock()) self->Finish(number, std::move(response));
  });
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
  const std::optional<Job>& job = done.job;
  metrics_.in_flight.Set(static_cast<double>(running_.size()));
  const auto work = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - done.started);
  metrics_.work_seconds.Observe(static_cast<double>(work.count()) / 1e6);
  response.work_us = work.count();
  response.queue_us = done.queue_us;
  if (response.status < wire::kMinStatus || response.status > wire::kMaxStatus) {
    response = PlainResponse(502, "The application's status is not one of a final response.");
  }
  if (job && job->source->is_open()) {
    Send(*job, std::move(response));
  } else if (job) {
    job->source->Drop(*job);
  }
  RunWaiting();
}

void JobRunner::Send(const Job& job, wire::Response response) {
  response.node = node_;
  response.shard = job.source->shard();
  response.worker = instance_;
  metrics_.CountRequest(job.source->Answer(job, response));
}

void JobRunner::Abandon() {
  waiting_.clear();
  for (auto& [number, running] : running_) running.job.reset();
}

}  // namespace warren::worker
