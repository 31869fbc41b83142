// Consumers of a worker: begun, lost, released.
#include "proxy/worker/holdings.h"

#include <algorithm>
#include <set>
#include <utility>

#include "shardmgr/program/logging.h"

namespace warren::worker {

using program::Log;
using program::LogLevel;

Holdings::Holdings(std::shared_ptr<amqp::Connection> connection, std::shared_ptr<const std::string> inbox,
                   unsigned concurrency, JobRunner& runner, WorkerMetrics& metrics, OnLoss on_loss)
    : connection_(std::move(connection)),
      inbox_(std::move(inbox)),
      concurrency_(concurrency),
      runner_(runner),
      metrics_(metrics),
      on_loss_(std::move(on_loss)) {}

void Holdings::Hold(const Identity& self, const Wanted& wanted) {
  const std::set<std::string_view> names(wanted.shards.begin(), wanted.shards.end());
  for (const std::string& shard : held()) {
    if (!names.contains(shard)) Release(shard);
  }
  std::erase_if(refused_, [&](const auto& each) { return !names.contains(each.first); });
  const unsigned prefetch = PrefetchPerShard(concurrency_, wanted);
  for (const std::string& shard : wanted.shards) {
    if (HoldsOtherwise(shard, prefetch)) Release(shard);
    if (!holds(shard)) Consume(shard, ConsumerTag(self, next_tag_++), prefetch);
  }
  Count();
}

// The prefetch of a consumer is what it was when it began (basic.qos), so one with another share begins anew; what it
// has is finished beside that.
bool Holdings::HoldsOtherwise(const std::string& shard, unsigned prefetch) const {
  const auto consumer = consumers_.find(shard);
  return consumer != consumers_.end() && consumer->second->prefetch() != prefetch;
}

void Holdings::Consume(const std::string& shard, const std::string& tag, unsigned prefetch) {
  auto consumer = std::make_shared<ShardConsumer>(connection_, shard, inbox_, HooksOf(shard, prefetch));
  consumer->Start(tag, prefetch);
  consumers_.emplace(shard, std::move(consumer));
}

ShardConsumerHooks Holdings::HooksOf(const std::string& shard, unsigned prefetch) {
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
  hooks.on_lost = [weak, shard](const Error& error) {
    if (const auto self = weak.lock()) self->OnLost(shard, error);
  };
  hooks.on_consuming = [weak, shard, prefetch] {
    if (const auto self = weak.lock()) self->refused_.erase(shard);
    Log(LogLevel::kInfo, "consuming a shard", {{"shard", shard}, {"prefetch", prefetch}});
  };
  return hooks;
}

// What was refused is tried again and again, so a reason is told once: also when it is the same for many shards, as
// "all channels are in use".
void Holdings::OnLost(const std::string& shard, const Error& error) {
  const auto consumer = consumers_.find(shard);
  if (consumer == consumers_.end()) return;
  Loss loss{consumer->second->consuming(), true};
  if (loss.consumed) {
    Log(LogLevel::kWarning, "lost a shard", error, {{"shard", shard}});
  } else {
    const bool known =
        std::any_of(refused_.begin(), refused_.end(), [&](const auto& each) { return each.second == error.message; });
    loss.news = refused_.insert_or_assign(shard, error.message).second;
    Log(known ? LogLevel::kDebug : LogLevel::kWarning, "cannot consume a shard", error, {{"shard", shard}});
  }
  if (consumer->second->held() > 0) leaving_.push_back(consumer->second);
  consumers_.erase(consumer);
  Count();
  on_loss_(loss, error);
}

void Holdings::Release(const std::string& shard) {
  const auto consumer = consumers_.find(shard);
  if (consumer == consumers_.end()) return;
  Log(consumer->second->consuming() ? LogLevel::kInfo : LogLevel::kDebug, "released a shard", {{"shard", shard}});
  consumer->second->Stop();
  leaving_.push_back(consumer->second);
  consumers_.erase(consumer);
  Count();
}

void Holdings::ReleaseAll() {
  for (const std::string& shard : held()) Release(shard);
  refused_.clear();
}

void Holdings::Sweep() {
  std::erase_if(leaving_, [](const auto& consumer) { return consumer->finished(); });
}

void Holdings::Count() { metrics_.shards.Set(static_cast<double>(consumers_.size())); }

bool Holdings::IsResting(const std::string& shard, std::chrono::steady_clock::duration time) const {
  const auto consumer = consumers_.find(shard);
  return consumer != consumers_.end() && consumer->second->held() == 0 &&
         std::chrono::steady_clock::now() - consumer->second->last_delivery() >= time;
}

bool Holdings::idle() const {
  return consumers_.empty() &&
         std::all_of(leaving_.begin(), leaving_.end(), [](const auto& consumer) { return consumer->finished(); });
}

std::vector<std::string> Holdings::held() const {
  std::vector<std::string> shards;
  for (const auto& [shard, consumer] : consumers_) shards.push_back(shard);
  return shards;
}

}  // namespace warren::worker
