// Connection, node and consumers of a worker.
#include "proxy/worker/coverage.h"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>

#include "shardmgr/plan/naming.h"
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
    : executor_(executor), options_(std::move(options)), runner_(runner), metrics_(metrics), timer_(executor),
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

void Coverage::Stop() {
  if (stopped_) return;
  stopped_ = true;
  ++epoch_;
  timer_.cancel();
  if (link_) link_->Stop();
  consumers_.clear();
  leaving_.clear();
  connection_ = nullptr;
  Say(false, "stopped");
}

void Coverage::OnUp(const std::shared_ptr<amqp::Connection>& connection) {
  ++epoch_;
  connection_ = connection;
  control_ = connection->OpenChannel();
  metrics_.connects.Increment();
  Log(LogLevel::kInfo, "connected to the broker", {{"endpoint", connection->endpoint().ToString()}});
  self_.node.clear();
  if (options_.local_node.empty()) {
    FindNode();
  } else {
    OnNode(options_.local_node);
  }
}

void Coverage::OnDown(const amqp::Endpoint& endpoint, const Error& error, bool was_up) {
  metrics_.connection_failures.Increment();
  Log(LogLevel::kWarning, was_up ? "lost the broker" : "cannot reach the broker", error,
      {{"endpoint", endpoint.ToString()}});
  if (was_up) {
    ++epoch_;
    runner_.Abandon();
    consumers_.clear();
    leaving_.clear();
    connection_ = nullptr;
    control_ = nullptr;
    self_.node.clear();
    metrics_.shards.Set(0);
  }
  Say(false, "not connected to the broker: " + error.ToString());
}

// A queue of this connection alone lives on the node of the connection, also behind a load balancer.
void Coverage::FindNode() {
  amqp::QueueDeclare queue;
  queue.exclusive = true;
  queue.auto_delete = true;
  const auto weak = weak_from_this();
  const std::uint64_t epoch = epoch_;
  control_->DeclareQueue(queue, [weak, epoch](Result<amqp::QueueDeclared> declared) {
    const auto self = weak.lock();
    if (!self || epoch != self->epoch_ || !declared) return;
    self->cluster_->FindNode(self->options_.vhost, declared->name, [weak, epoch](Result<std::string> node) {
      const auto again = weak.lock();
      if (!again || epoch != again->epoch_) return;
      if (node) return again->OnNode(std::move(*node));
      // The next refresh asks again.
      Log(LogLevel::kWarning, "cannot find out the node of the connection", node.error());
      again->Say(false, "cannot find out the node of the connection: " + node.error().ToString());
    });
  });
}

void Coverage::OnNode(std::string node) {
  self_.node = std::move(node);
  runner_.SetOrigin(self_.node, self_.instance);
  Log(LogLevel::kInfo, "found the local node", {{"node", self_.node}, {"worker", self_.instance}});
  Refresh();
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
    if (!self->connection_) return;
    if (self->self_.node.empty()) {
      self->FindNode();
    } else {
      self->Refresh();
    }
  });
}

void Coverage::Refresh() {
  std::erase_if(leaving_, [](const auto& consumer) { return consumer->finished(); });
  if (!accepting_ || !connection_) return;
  if (!cluster_) return Probe(0, std::make_shared<std::vector<std::string>>());
  cluster_->Look(options_.vhost, options_.stream,
                 [weak = weak_from_this(), epoch = epoch_](Result<StreamView> view) {
                   const auto self = weak.lock();
                   if (self && epoch == self->epoch_) self->OnView(std::move(view));
                 });
}

void Coverage::OnView(Result<StreamView> view) {
  if (!accepting_) return;
  if (!view) {
    // What is held stays held: the API is for finding shards, not for serving them.
    const std::string text = view.error().ToString();
    if (text != last_error_) Log(LogLevel::kWarning, "cannot look at the stream", view.error());
    last_error_ = text;
    if (consumers_.empty()) Say(false, "cannot look at the stream: " + text);
    return;
  }
  last_error_.clear();
  Hold(ShardsToHold(self_, options_.stream, view->queues, view->consumers, held()));
}

// Without the management API: the local shards are those that can be declared passively, from 0 on.
void Coverage::Probe(int index, std::shared_ptr<std::vector<std::string>> found) {
  const std::string name = ShardName(options_.stream, self_.node, index);
  if (consumers_.contains(name)) {
    found->push_back(name);
    return Probe(index + 1, std::move(found));
  }
  if (!control_ || !control_->is_open()) control_ = connection_->OpenChannel();
  amqp::QueueDeclare queue;
  queue.name = name;
  queue.passive = true;
  control_->DeclareQueue(queue, [weak = weak_from_this(), epoch = epoch_, index, name,
                                 found](Result<amqp::QueueDeclared> declared) {
    const auto self = weak.lock();
    if (!self || epoch != self->epoch_ || !self->accepting_) return;
    if (declared) {
      found->push_back(name);
      return self->Probe(index + 1, found);
    }
    self->control_ = nullptr;  // The refusal closed it.
    self->Hold(*found);
  });
}

void Coverage::Hold(const std::vector<std::string>& wanted) {
  for (const std::string& shard : held()) {
    if (std::find(wanted.begin(), wanted.end(), shard) == wanted.end()) Release(shard);
  }
  const unsigned prefetch = PrefetchPerShard(options_.concurrency, wanted.size());
  for (const std::string& shard : wanted) {
    if (!consumers_.contains(shard)) Consume(shard, prefetch);
  }
  metrics_.shards.Set(static_cast<double>(consumers_.size()));
  if (consumers_.empty()) {
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
  hooks.on_lost = [weak, epoch = epoch_, shard](const Error& error) {
    const auto self = weak.lock();
    if (!self || epoch != self->epoch_) return;
    Log(LogLevel::kWarning, "lost a shard", error, {{"shard", shard}});
    const auto consumer = self->consumers_.find(shard);
    if (consumer == self->consumers_.end()) return;
    if (consumer->second->held() > 0) self->leaving_.push_back(consumer->second);
    self->consumers_.erase(consumer);
    self->metrics_.shards.Set(static_cast<double>(self->consumers_.size()));
    if (self->consumers_.empty()) self->Say(false, error.ToString());
  };
  auto consumer = std::make_shared<ShardConsumer>(connection_, shard, std::move(hooks));
  consumer->Start(ConsumerTag(self_, next_tag_++), prefetch);
  consumers_.emplace(shard, std::move(consumer));
  Log(LogLevel::kInfo, "consuming a shard", {{"shard", shard}, {"prefetch", prefetch}});
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
  metrics_.shards.Set(0);
  Say(false, "not accepting requests");
}

bool Coverage::idle() const {
  return consumers_.empty() &&
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
