// How a worker finds its shards without the management API: by declaring them passively. Bindings cannot be seen that
// way, so a drained shard looks like an idle one; therefore idle shards are let go of now and then (IsYieldTime), and
// taken back as soon as they hold a message.
#include <algorithm>

#include "proxy/worker/coverage.h"
#include "shardmgr/program/logging.h"

namespace warren::worker {
namespace {

constexpr std::chrono::seconds kProbePause{30};
constexpr std::chrono::seconds kIdle{10};

std::int64_t UnixMs() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

}  // namespace

void Coverage::LookWithoutApi() {
  if (asking_epoch_ == epoch_) return;
  YieldIdleShards();
  const bool due = consumers_.empty() && yielded_.empty();
  const auto now = std::chrono::steady_clock::now();
  if (due || now < eager_until_ || now >= next_probe_) {
    // The probe that finds no more shards costs an error in the broker's log: rare while there are shards.
    next_probe_ = now + kProbePause;
    asking_epoch_ = epoch_;
    return Probe(NameStyle::kStream, 0, std::make_shared<std::vector<std::string>>());
  }
  if (yielded_.empty()) return;
  asking_epoch_ = epoch_;
  WatchYielded({yielded_.begin(), yielded_.end()});
}

void Coverage::YieldIdleShards() {
  const std::int64_t now_ms = UnixMs();
  const auto is_time = [&](const std::string& shard) {
    return IsYieldTime(shard, now_ms, options_.yield_every.count());
  };
  // The time is over: the next probe tells whether the shard still is there.
  if (std::erase_if(yielded_, [&](const std::string& shard) { return !is_time(shard); }) > 0) next_probe_ = {};
  for (const std::string& shard : held()) {
    const ShardConsumer& consumer = *consumers_.at(shard);
    const bool idle = consumer.held() == 0 && std::chrono::steady_clock::now() - consumer.last_delivery() >= kIdle;
    if (!idle || !is_time(shard)) continue;
    Release(shard);
    yielded_.insert(shard);
  }
  metrics_.shards.Set(static_cast<double>(consumers_.size()));
}

// One after the other: a refusal closes the channel under all that were asked.
void Coverage::WatchYielded(std::vector<std::string> left) {
  if (left.empty()) {
    asking_epoch_ = 0;
    return;
  }
  const std::string shard = std::move(left.back());
  left.pop_back();
  DeclarePassively(shard, [this, shard, left = std::move(left)](Result<amqp::QueueDeclared> declared) {
    if (!declared) {
      yielded_.erase(shard);
      Log(program::LogLevel::kInfo, "an idle shard has gone", declared.error(), {{"shard", shard}});
    } else if (declared->messages > 0) {
      yielded_.erase(shard);
      std::vector<std::string> wanted = held();
      wanted.push_back(shard);
      Hold(wanted);
    }
    WatchYielded(left);
  });
}

void Coverage::DeclarePassively(const std::string& queue, std::function<void(Result<amqp::QueueDeclared>)> done) {
  if (!control_ || !control_->is_open()) control_ = connection_->OpenChannel();
  amqp::QueueDeclare declare;
  declare.name = queue;
  declare.passive = true;
  const auto answered = [weak = weak_from_this(), epoch = epoch_,
                         done = std::move(done)](Result<amqp::QueueDeclared> declared) {
    const auto self = weak.lock();
    if (!self || epoch != self->epoch_) return;
    if (!declared) self->control_ = nullptr;  // The refusal closed it.
    if (!self->accepting_) {
      self->asking_epoch_ = 0;
      return;
    }
    done(std::move(declared));
  };
  control_->DeclareQueue(declare, answered);
}

// The local shards are those that can be declared passively, from 0 on in either style of names, and those held: behind
// a gap as well.
void Coverage::Probe(NameStyle style, int index, std::shared_ptr<std::vector<std::string>> found) {
  const std::string name = ShardName(options_.stream, self_.node, index, style);
  if (consumers_.contains(name)) {
    found->push_back(name);
    return Probe(style, index + 1, std::move(found));
  }
  DeclarePassively(name, [this, style, index, name, found](Result<amqp::QueueDeclared> declared) {
    if (declared) {
      if (!yielded_.contains(name)) found->push_back(name);
      return Probe(style, index + 1, found);
    }
    if (style == NameStyle::kStream) return Probe(NameStyle::kSharding, 0, found);
    asking_epoch_ = 0;
    for (std::string& shard : held()) {
      if (std::find(found->begin(), found->end(), shard) == found->end()) found->push_back(std::move(shard));
    }
    Hold(*found);
  });
}

}  // namespace warren::worker
