// The public face of the worker: Responder, Worker, RunWorker. Coverage is in coverage.cc, the
// rules about deliveries are in job_runner.cc.
#include "proxy/worker/worker.h"

#include <prometheus/registry.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <utility>

#include "proxy/worker/coverage.h"
#include "proxy/worker/job_runner.h"
#include "proxy/worker/worker_metrics.h"
#include "shardmgr/program/logging.h"
#include "shardmgr/program/signals.h"

namespace warren::worker {

void AnswerGate::Post(std::uint64_t number, wire::Response response) {
  auto answer = [self = shared_from_this(), number, response = std::move(response)]() mutable {
    self->finish_(number, std::move(response));
  };
  const std::lock_guard lock(mutex_);
  if (open_) boost::asio::post(executor_, std::move(answer));
}

void AnswerGate::Shut() {
  const std::lock_guard lock(mutex_);
  open_ = false;
  executor_ = {};
}

Responder::~Responder() {
  if (state_) Answer(PlainResponse(500, "The worker's handler gave no answer."));
}

Responder::Responder(Responder&&) noexcept = default;

Responder& Responder::operator=(Responder&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}

const wire::Request& Responder::request() const { return state_->request; }

void Responder::Answer(wire::Response response) {
  if (const auto state = std::exchange(state_, nullptr)) state->gate->Post(state->number, std::move(response));
}

void Responder::AnswerHere(wire::Response response) {
  if (const auto state = std::exchange(state_, nullptr)) state->gate->Pass(state->number, std::move(response));
}

bool Responder::cancelled() const { return state_ && state_->cancelled.load(std::memory_order_acquire); }

void Responder::OnCancel(std::function<void()> call) {
  if (!state_) return;
  state_->on_cancel = cancelled() ? nullptr : call;
  if (cancelled() && call) call();
}

class Worker::Impl {
 public:
  Impl(boost::asio::any_io_executor executor, WorkerOptions options, Handler handler, prometheus::Registry& registry)
      : executor_(executor),
        metrics_(registry, options.vhost, options.stream),
        runner_(JobRunner::Make(executor, {options.concurrency, options.accept_after}, std::move(handler), metrics_)),
        coverage_(Coverage::Make(executor, std::move(options), *runner_, metrics_)),
        timer_(executor) {}

  ~Impl() { Stop(); }

  void Stop(std::function<void()> done = {}) {
    timer_.cancel();
    coverage_->Stop(std::move(done));
    runner_->Abandon();
  }

  void SetAccepting(bool accepting) {
    if (!draining_) coverage_->SetAccepting(accepting);
  }

  void Drain(std::chrono::milliseconds longest, std::function<void()> done) {
    draining_ = true;
    coverage_->SetAccepting(false);
    CheckDrained(std::chrono::steady_clock::now() + longest, std::move(done));
  }

  Coverage& coverage() { return *coverage_; }

 private:
  void CheckDrained(std::chrono::steady_clock::time_point end, std::function<void()> done) {
    constexpr std::chrono::milliseconds kPause{20};
    // Consumers that still hold something or have not heard cancel-ok, and unsent answers, keep it waiting.
    const bool late = std::chrono::steady_clock::now() >= end;
    if (late || (coverage_->idle() && runner_->idle())) {
      if (late) program::Log(program::LogLevel::kWarning, "gave up waiting for requests; the broker requeues them");
      return done();
    }
    timer_.expires_after(kPause);
    timer_.async_wait([this, end, done = std::move(done)](boost::system::error_code error) mutable {
      if (!error) CheckDrained(end, std::move(done));
    });
  }

  boost::asio::any_io_executor executor_;
  WorkerMetrics metrics_;
  std::shared_ptr<JobRunner> runner_;
  std::shared_ptr<Coverage> coverage_;
  boost::asio::steady_timer timer_;
  bool draining_ = false;
};

Worker::Worker(boost::asio::any_io_executor executor, WorkerOptions options, Handler handler,
               prometheus::Registry& registry)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(options), std::move(handler), registry)) {}
Worker::~Worker() = default;
void Worker::Start() { impl_->coverage().Start(); }
void Worker::SetAccepting(bool accepting) { impl_->SetAccepting(accepting); }
void Worker::Drain(std::chrono::milliseconds longest, std::function<void()> done) {
  impl_->Drain(longest, std::move(done));
}
void Worker::Stop(std::function<void()> done) { impl_->Stop(std::move(done)); }
program::Readiness Worker::readiness() const { return impl_->coverage().readiness(); }

int RunWorker(WorkerOptions options, Handler handler) {
  constexpr std::chrono::seconds kDrainTimeout{30};
  boost::asio::io_context context(1);
  prometheus::Registry registry;
  program::Signals* pending = nullptr;
  Worker worker(context.get_executor(), std::move(options), std::move(handler), registry);
  program::Signals signals(context.get_executor(), [&] {
    worker.Drain(kDrainTimeout, [&] {
      worker.Stop([&] {
        pending->Stop();
        context.stop();
      });
    });
  });
  pending = &signals;
  worker.Start();
  context.run();
  return 0;
}

}  // namespace warren::worker
