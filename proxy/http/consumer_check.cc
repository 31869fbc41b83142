// Rounds of questions about consumers; see the header.
#include "proxy/http/consumer_check.h"

#include <boost/asio/post.hpp>

#include "shardmgr/program/logging.h"

namespace warren::proxy {

/// One round: passive declares pipelined on one channel. A queue that is gone closes the channel (404);
/// the round then counts as unknown and the next one asks with a fresh list.
struct ConsumerCheck::Round {
  std::shared_ptr<amqp::Channel> channel;
  std::size_t left = 0;
  bool failed = false;
  std::uint64_t consumers = 0;
};

ConsumerCheck::ConsumerCheck(boost::asio::any_io_executor executor, management::ClientOptions client, std::string vhost,
                             std::string exchange, std::function<std::shared_ptr<amqp::Connection>()> connection,
                             std::function<void(bool none)> on_change)
    : executor_(executor),
      client_(std::move(client)),
      vhost_(std::move(vhost)),
      exchange_(std::move(exchange)),
      connection_(std::move(connection)),
      on_change_(std::move(on_change)),
      watchdog_(executor) {}

ConsumerCheck::~ConsumerCheck() { Stop(); }

void ConsumerCheck::Start() {
  thread_ = std::thread([this] { ListForEver(); });
  Watchdog();
}

void ConsumerCheck::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  client_.Cancel();
  if (thread_.joinable()) thread_.join();
  watchdog_.cancel();
  round_.reset();
}

void ConsumerCheck::ListForEver() {
  std::unique_lock lock(mutex_);
  bool warned = false;
  while (!stop_) {
    lock.unlock();
    auto queues = client_.ListServingShards(vhost_, exchange_);
    lock.lock();
    if (stop_) return;
    if (queues) {
      warned = false;
      boost::asio::post(executor_, [this, list = std::move(*queues)]() mutable { Begin(std::move(list)); });
    } else if (!warned) {
      warned = true;
      program::Log(program::LogLevel::kWarning, "cannot tell whether workers are there; requests wait for one",
                   queues.error());
    }
    wake_.wait_for(lock, kPeriod, [this] { return stop_; });
  }
}

void ConsumerCheck::Begin(Queues queues) {
  const auto connection = connection_();
  if (!connection || queues.empty() || round_) return;  // No shard at all shows as a returned message.
  auto round = std::make_shared<Round>();
  round_ = round;
  round->channel = connection->OpenChannel();
  round->left = queues.size();
  for (const auto& name : queues) {
    amqp::QueueDeclare queue;
    queue.name = name;
    queue.passive = true;
    round->channel->DeclareQueue(queue, [this, round = round.get()](Result<amqp::QueueDeclared> declared) {
      if (round_.get() != round) return;
      round->failed = round->failed || !declared;
      if (declared) round->consumers += declared->consumers;
      // One consumer decides, whatever the other queues' answers are.
      if (--round->left == 0) End(!round->failed || round->consumers > 0, round->consumers == 0);
    });
  }
}

void ConsumerCheck::End(bool known, bool none) {
  if (round_->channel->is_open()) round_->channel->Close();
  round_.reset();
  if (!known) return;
  known_at_ = std::chrono::steady_clock::now();
  if (none == none_) return;
  none_ = none;
  program::Log(none ? program::LogLevel::kWarning : program::LogLevel::kInfo,
               none ? "no shard has a consumer" : "shards have consumers", {{"exchange", exchange_}});
  on_change_(none);
}

void ConsumerCheck::Watchdog() {
  const auto age = std::chrono::steady_clock::now() - known_at_;
  if (age > kMaxAge) {
    round_.reset();
    if (none_) {
      none_ = false;
      on_change_(false);
    }
  }
  watchdog_.expires_after(std::chrono::seconds(1));
  watchdog_.async_wait([this](const boost::system::error_code& error) {
    if (!error) Watchdog();
  });
}

}  // namespace warren::proxy
