// Connection and consumers of a worker. What it asks about the cluster is in coverage_look.cc.
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

// Long enough for whoever declares shards to declare a lost one again.
constexpr std::chrono::seconds kEagerAfterLoss{10};

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
      runner_(runner),
      metrics_(metrics),
      timer_(executor),
      random_(std::random_device{}()) {
  self_.instance = options_.instance.empty() ? MakeInstance() : options_.instance;
  std::replace(self_.instance.begin(), self_.instance.end(), ':', '-');
  if (options_.use_management) cluster_ = std::make_unique<ClusterView>(executor, options_.management);
}

void Coverage::Start() {
  if (!options_.use_management && options_.local_node.empty()) {
    const Error error{ErrorCode::kConfiguration,
                      "neither the management API nor the local node's name is given; without one of them the worker "
                      "cannot tell which shards are its own",
                      "worker"};
    Log(LogLevel::kError, "cannot consume", error);
    return Say(false, error.ToString());
  }
  const auto weak = weak_from_this();
  amqp::LinkHandlers handlers;
  handlers.on_up = [weak](const std::shared_ptr<amqp::Connection>& connection) {
    if (const auto self = weak.lock()) self->OnUp(connection);
  };
  handlers.on_down = [weak](const amqp::Endpoint& endpoint, const Error& error, bool was_up) {
    if (const auto self = weak.lock()) self->OnDown(endpoint, error, was_up);
  };
  link_ = std::make_unique<amqp::Link>(executor_, LinkOptionsOf(options_, self_.instance), std::move(handlers));
  link_->Start();
  ScheduleRefresh();
}

// The link stays until the connection has said farewell: only then has the broker read the last answers and acks.
void Coverage::Stop(std::function<void()> done) {
  if (stopped_) return;
  stopped_ = true;
  ++epoch_;
  timer_.cancel();
  consumers_.clear();
  leaving_.clear();
  inbox_ = nullptr;
  Say(false, "stopped");
  if (connection_) {
    on_stopped_ = std::move(done);
    std::exchange(connection_, nullptr)->Close();
    return;
  }
  if (link_) link_->Stop();
  if (done) boost::asio::post(executor_, std::move(done));
}

void Coverage::OnUp(const std::shared_ptr<amqp::Connection>& connection) {
  ++epoch_;
  connection_ = connection;
  next_probe_ = {};
  yielded_.clear();
  failures_.Forget(connection->endpoint().ToString());
  metrics_.connects.Increment();
  Log(LogLevel::kInfo, "connected to the broker", {{"endpoint", connection->endpoint().ToString()}});
  self_.node.clear();
  inbox_again_ = {};
  runner_.SetClaims(true);
  OpenInbox();
  if (!options_.local_node.empty()) OnNode(options_.local_node);
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
    ++epoch_;
    runner_.Abandon();
    consumers_.clear();
    leaving_.clear();
    connection_ = nullptr;
    control_ = nullptr;
    inbox_ = nullptr;
    self_.node.clear();
    metrics_.shards.Set(0);
  }
  Say(false, "not connected to the broker: " + error.ToString());
}

void Coverage::Hold(const std::vector<std::string>& wanted) {
  for (const std::string& shard : held()) {
    if (std::find(wanted.begin(), wanted.end(), shard) == wanted.end()) Release(shard);
  }
  std::erase_if(refused_,
                [&](const auto& each) { return std::find(wanted.begin(), wanted.end(), each.first) == wanted.end(); });
  std::vector<std::string> sharing = wanted;
  sharing.insert(sharing.end(), yielded_.begin(), yielded_.end());
  const unsigned prefetch = PrefetchPerShard(self_, options_.stream, options_.concurrency, sharing);
  for (const std::string& shard : wanted) {
    if (!consumers_.contains(shard)) Consume(shard, prefetch);
  }
  metrics_.shards.Set(static_cast<double>(consumers_.size()));
  if (consumers_.empty() && !yielded_.empty()) {
    Say(true, "watching " + std::to_string(yielded_.size()) + " idle shards from " + self_.node);
  } else if (consumers_.empty()) {
    Say(false, "no shard of " + options_.stream + " to consume on " + self_.node + " or uncovered elsewhere");
  } else {
    Say(true, "consuming " + std::to_string(consumers_.size()) + " shards from " + self_.node);
  }
}

void Coverage::Consume(const std::string& shard, unsigned prefetch) {
  const auto weak = weak_from_this();
  ShardConsumerHooks hooks;
  hooks.on_job = [weak](Job job) {
    if (const auto self = weak.lock()) self->runner_.Take(std::move(job));
  };
  hooks.on_malformed = [weak](const Error& error) {
    Log(LogLevel::kWarning, "refused a message", error);
    if (const auto self = weak.lock()) self->metrics_.malformed.Increment();
  };
  hooks.on_unwanted = [weak](std::string_view correlation_id, std::string_view attempt) {
    if (const auto self = weak.lock()) self->runner_.Cancel(correlation_id, attempt);
  };
  hooks.on_lost = [weak, epoch = epoch_, shard](const Error& error) {
    const auto self = weak.lock();
    if (self && epoch == self->epoch_) self->OnLost(shard, error);
  };
  hooks.on_consuming = [weak, shard, prefetch] {
    if (const auto self = weak.lock()) self->refused_.erase(shard);
    Log(LogLevel::kInfo, "consuming a shard", {{"shard", shard}, {"prefetch", prefetch}});
  };
  auto consumer = std::make_shared<ShardConsumer>(connection_, shard, inbox_->name(), std::move(hooks));
  consumer->Start(ConsumerTag(self_, next_tag_++), prefetch);
  consumers_.emplace(shard, std::move(consumer));
}

// Each refresh tries again what was refused, so a reason is told once: also when it is the same for many shards,
// as "all channels are in use".
void Coverage::OnLost(const std::string& shard, const Error& error) {
  const auto consumer = consumers_.find(shard);
  if (consumer == consumers_.end()) return;
  if (consumer->second->consuming()) {
    eager_until_ = std::chrono::steady_clock::now() + kEagerAfterLoss;
    Log(LogLevel::kWarning, "lost a shard", error, {{"shard", shard}});
  } else {
    const bool known =
        std::any_of(refused_.begin(), refused_.end(), [&](const auto& each) { return each.second == error.message; });
    refused_[shard] = error.message;
    Log(known ? LogLevel::kDebug : LogLevel::kWarning, "cannot consume a shard", error, {{"shard", shard}});
  }
  if (consumer->second->held() > 0) leaving_.push_back(consumer->second);
  consumers_.erase(consumer);
  metrics_.shards.Set(static_cast<double>(consumers_.size()));
  if (consumers_.empty()) Say(false, error.ToString());
}

void Coverage::Release(const std::string& shard) {
  const auto consumer = consumers_.find(shard);
  if (consumer == consumers_.end()) return;
  consumer->second->Stop();
  leaving_.push_back(consumer->second);
  consumers_.erase(consumer);
  Log(LogLevel::kInfo, "released a shard", {{"shard", shard}});
}

void Coverage::SetAccepting(bool accepting) {
  if (accepting == accepting_ || stopped_) return;
  accepting_ = accepting;
  if (accepting) {
    if (connection_ && !self_.node.empty()) Refresh();
    return;
  }
  for (const std::string& shard : held()) Release(shard);
  yielded_.clear();
  metrics_.shards.Set(0);
  Say(false, "not accepting requests");
}

bool Coverage::idle() const {
  const bool all_sent = !connection_ || connection_->unsent_bytes() == 0;
  return all_sent && consumers_.empty() &&
         std::all_of(leaving_.begin(), leaving_.end(), [](const auto& consumer) { return consumer->finished(); });
}

std::vector<std::string> Coverage::held() const {
  std::vector<std::string> shards;
  for (const auto& [shard, consumer] : consumers_) shards.push_back(shard);
  return shards;
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
