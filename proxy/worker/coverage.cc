// The connection of a worker, and its sessions.
#include "proxy/worker/coverage.h"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "shardmgr/program/logging.h"

namespace warren::worker {
namespace {

using program::Log;
using program::LogLevel;

std::string MakeInstance() {
  std::random_device device;
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string instance = std::to_string(getpid()) + "-";
  for (int i = 0; i < 12; ++i) instance += kDigits[device() % kDigits.size()];
  return instance;
}

amqp::LinkOptions LinkOptionsOf(const WorkerOptions& options, const std::string& instance) {
  amqp::LinkOptions link;
  link.endpoints = options.nodes;
  link.connection.credentials = options.credentials;
  link.connection.vhost = options.vhost;
  link.connection.name = "warren-worker " + options.stream + " " + instance;
  link.connection.tls_ca_file = options.tls_ca_file;
  return link;
}

}  // namespace

std::shared_ptr<Coverage> Coverage::Make(boost::asio::any_io_executor executor, WorkerOptions options,
                                         JobRunner& runner, WorkerMetrics& metrics) {
  return std::shared_ptr<Coverage>(new Coverage(std::move(executor), std::move(options), runner, metrics));
}

Coverage::Coverage(boost::asio::any_io_executor executor, WorkerOptions options, JobRunner& runner,
                   WorkerMetrics& metrics)
    : executor_(executor),
      options_(std::move(options)),
      instance_(options_.instance.empty() ? MakeInstance() : options_.instance),
      runner_(runner),
      metrics_(metrics),
      timer_(executor),
      random_(std::random_device{}()) {
  std::replace(instance_.begin(), instance_.end(), ':', '-');
  if (options_.use_management) cluster_ = std::make_unique<ClusterView>(executor, options_.management);
}

void Coverage::Start() {
  const auto weak = weak_from_this();
  amqp::LinkHandlers handlers;
  handlers.on_up = [weak](const std::shared_ptr<amqp::Connection>& connection) {
    if (const auto self = weak.lock()) self->OnUp(connection);
  };
  handlers.on_down = [weak](const amqp::Endpoint& endpoint, const Error& error, bool was_up) {
    if (const auto self = weak.lock()) self->OnDown(endpoint, error, was_up);
  };
  link_ = std::make_unique<amqp::Link>(executor_, LinkOptionsOf(options_, instance_), std::move(handlers));
  link_->Start();
  ScheduleRefresh();
}

// The link stays until the connection has said farewell: only then has the broker read the last answers and acks.
void Coverage::Stop(std::function<void()> done) {
  if (stopped_) return;
  stopped_ = true;
  timer_.cancel();
  Say(false, "stopped");
  if (const auto session = std::exchange(session_, nullptr)) {
    on_stopped_ = std::move(done);
    session->connection()->Close();
    return;
  }
  if (link_) link_->Stop();
  if (done) boost::asio::post(executor_, std::move(done));
}

void Coverage::OnUp(const std::shared_ptr<amqp::Connection>& connection) {
  if (stopped_) return;
  failures_.Forget(connection->endpoint().ToString());
  metrics_.connects.Increment();
  Log(LogLevel::kInfo, "connected to the broker", {{"endpoint", connection->endpoint().ToString()}});
  const auto say = [weak = weak_from_this()](bool ready, std::string reason) {
    if (const auto self = weak.lock()) self->Say(ready, std::move(reason));
  };
  session_ = std::make_shared<Session>(
      SessionPlace{executor_, options_, instance_, runner_, metrics_, cluster_.get(), say}, connection, accepting_);
  session_->Start();
}

void Coverage::OnDown(const amqp::Endpoint& endpoint, const Error& error, bool was_up) {
  if (stopped_) {
    link_->Stop();
    if (const auto done = std::exchange(on_stopped_, nullptr)) done();
    return;
  }
  metrics_.connection_failures.Increment();
  failures_.Note(was_up ? "lost the broker" : "cannot reach the broker", endpoint.ToString(), error, was_up);
  if (was_up) {
    runner_.Abandon();
    session_ = nullptr;
    metrics_.shards.Set(0);
    metrics_.SetSource(std::nullopt);
  }
  Say(false, "not connected to the broker: " + error.ToString());
}

void Coverage::ScheduleRefresh() {
  // A tenth more or less, so that workers which started together do not look together.
  const auto mean = std::max<std::int64_t>(options_.refresh.count(), 50);
  std::uniform_int_distribution<std::int64_t> pause(mean - mean / 10, mean + mean / 10);
  timer_.expires_after(std::chrono::milliseconds(pause(random_)));
  timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (error || !self || self->stopped_) return;
    self->ScheduleRefresh();
    if (self->session_) self->session_->Refresh();
  });
}

void Coverage::SetAccepting(bool accepting) {
  if (accepting == accepting_ || stopped_) return;
  accepting_ = accepting;
  if (session_) return session_->SetAccepting(accepting);
  if (!accepting) Say(false, "not accepting requests");
}

void Coverage::Say(bool ready, std::string reason) {
  const std::lock_guard lock(mutex_);
  readiness_ = {ready, std::move(reason)};
}

program::Readiness Coverage::readiness() const {
  const std::lock_guard lock(mutex_);
  return readiness_;
}

}  // namespace warren::worker
