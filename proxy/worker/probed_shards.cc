// Passive declarations, one after the other, and rests of idle shards.
#include "proxy/worker/probed_shards.h"

#include <algorithm>
#include <utility>

#include "shardmgr/program/logging.h"

namespace warren::worker {
namespace {

constexpr std::chrono::seconds kProbePause{30};
constexpr std::chrono::seconds kIdle{10};
// Long enough for whoever declares shards to declare a lost one again.
constexpr std::chrono::seconds kEagerAfterLoss{10};

std::int64_t UnixMs() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

}  // namespace

ProbedShards::ProbedShards(std::string exchange, std::chrono::milliseconds yield_every,
                           std::shared_ptr<const Standpoint> standpoint, SourceHooks hooks)
    : exchange_(std::move(exchange)),
      yield_every_(yield_every),
      standpoint_(std::move(standpoint)),
      hooks_(std::move(hooks)) {}

void ProbedShards::Hurry() { eager_until_ = std::chrono::steady_clock::now() + kEagerAfterLoss; }

void ProbedShards::Look() {
  if (asking_) return;
  YieldIdleShards();
  const bool due = standpoint_->holdings->size() == 0 && yielded_.empty();
  const auto now = std::chrono::steady_clock::now();
  if (due || now < eager_until_ || now >= next_probe_) {
    // The probe that finds no more shards costs an error in the broker's log: rare while there are shards.
    next_probe_ = now + kProbePause;
    asking_ = true;
    return Probe(NameStyle::kStream, 0, std::make_shared<std::vector<std::string>>());
  }
  if (yielded_.empty()) return;
  asking_ = true;
  WatchYielded({yielded_.begin(), yielded_.end()});
}

void ProbedShards::YieldIdleShards() {
  const std::int64_t now_ms = UnixMs();
  const auto is_time = [&](const std::string& shard) { return IsYieldTime(shard, now_ms, yield_every_.count()); };
  // The time is over: the next probe tells whether the shard still is there.
  if (std::erase_if(yielded_, [&](const std::string& shard) { return !is_time(shard); }) > 0) next_probe_ = {};
  Holdings& holdings = *standpoint_->holdings;
  for (const std::string& shard : holdings.held()) {
    // One of another node, assigned once, would not be found again.
    const bool local = CountLocal(standpoint_->self.node, exchange_, {shard}) == 1;
    if (!local || !holdings.IsResting(shard, kIdle) || !is_time(shard)) continue;
    holdings.Release(shard);
    yielded_.insert(shard);
  }
}

// One after the other: a refusal closes the channel under all that were asked.
void ProbedShards::WatchYielded(std::vector<std::string> left) {
  if (left.empty()) {
    asking_ = false;
    return;
  }
  const std::string shard = std::move(left.back());
  left.pop_back();
  DeclarePassively(shard, [this, shard, left = std::move(left)](Result<amqp::QueueDeclared> declared) {
    if (!declared) {
      yielded_.erase(shard);
      program::Log(program::LogLevel::kInfo, "an idle shard has gone", declared.error(), {{"shard", shard}});
    } else if (declared->messages > 0) {
      yielded_.erase(shard);
      std::vector<std::string> wanted = standpoint_->holdings->held();
      wanted.push_back(shard);
      Tell(std::move(wanted));
    }
    WatchYielded(left);
  });
}

// `done` is not called once this source is dropped.
void ProbedShards::DeclarePassively(const std::string& queue, std::function<void(Result<amqp::QueueDeclared>)> done) {
  if (!channel_ || !channel_->is_open()) channel_ = standpoint_->connection->OpenChannel();
  amqp::QueueDeclare declare;
  declare.name = queue;
  declare.passive = true;
  channel_->DeclareQueue(declare,
                         [weak = weak_from_this(), done = std::move(done)](Result<amqp::QueueDeclared> declared) {
                           const auto self = weak.lock();
                           if (!self) return;
                           if (!declared) self->channel_ = nullptr;  // The refusal closed it.
                           done(std::move(declared));
                         });
}

// The local shards are those that can be declared passively, from 0 on in either style of names, and those held: behind
// a gap as well.
void ProbedShards::Probe(NameStyle style, int index, std::shared_ptr<std::vector<std::string>> found) {
  const std::string name = ShardName(exchange_, standpoint_->self.node, index, style);
  if (standpoint_->holdings->holds(name)) {
    found->push_back(name);
    return Probe(style, index + 1, std::move(found));
  }
  DeclarePassively(name, [this, style, index, name, found](Result<amqp::QueueDeclared> declared) {
    if (declared) {
      if (!yielded_.contains(name)) found->push_back(name);
      return Probe(style, index + 1, found);
    }
    if (style == NameStyle::kStream) return Probe(NameStyle::kSharding, 0, found);
    asking_ = false;
    for (std::string& shard : standpoint_->holdings->held()) {
      if (std::find(found->begin(), found->end(), shard) == found->end()) found->push_back(std::move(shard));
    }
    Tell(std::move(*found));
  });
}

void ProbedShards::Tell(std::vector<std::string> shards) {
  Wanted wanted;
  wanted.local = CountLocal(standpoint_->self.node, exchange_, shards) + yielded_.size();
  wanted.resting = yielded_.size();
  wanted.shards = std::move(shards);
  hooks_.on_wanted(std::move(wanted));
}

}  // namespace warren::worker
