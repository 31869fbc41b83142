// The rules of coverage_rule.h.
#include "proxy/worker/coverage_rule.h"

#include <algorithm>
#include <limits>
#include <set>

#include "shardmgr/plan/naming.h"

namespace warren::worker {
namespace {

constexpr std::string_view kTagPrefix = "warren:";

bool Contains(const std::vector<std::string>& list, std::string_view value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

// Whether this worker, which consumes a foreign shard, has to give way to `other`.
bool GivesWay(const Identity& self, const std::string& home, std::string_view other_tag) {
  const std::optional<Identity> other = ParseConsumerTag(other_tag);
  return !other || other->node == home || other->instance < self.instance;
}

bool IsOwn(const Identity& self, std::string_view tag) {
  const std::optional<Identity> who = ParseConsumerTag(tag);
  return who && who->instance == self.instance;
}

std::optional<ShardQueueName> PartsOf(std::string_view queue, std::string_view exchange) {
  std::optional<ShardQueueName> parts = ParseShardQueueName(queue);
  if (parts && parts->exchange != exchange) parts.reset();
  return parts;
}

// FNV-1a: the same in every program, as std::hash is not.
std::uint64_t Hash(std::string_view text) {
  std::uint64_t hash = 14'695'981'039'346'656'037u;
  for (const char byte : text) hash = (hash ^ static_cast<unsigned char>(byte)) * 1'099'511'628'211u;
  return hash;
}

}  // namespace

std::string ConsumerTag(const Identity& identity, unsigned number) {
  return std::string(kTagPrefix) + identity.node + ":" + identity.instance + ":" + std::to_string(number);
}

std::optional<Identity> ParseConsumerTag(std::string_view tag) {
  if (!tag.starts_with(kTagPrefix)) return std::nullopt;
  tag.remove_prefix(kTagPrefix.size());
  const std::size_t second = tag.rfind(':');
  if (second == std::string_view::npos || second == 0) return std::nullopt;
  const std::size_t first = tag.rfind(':', second - 1);
  if (first == std::string_view::npos || first == 0 || first + 1 == second) return std::nullopt;
  return Identity{std::string(tag.substr(0, first)), std::string(tag.substr(first + 1, second - first - 1))};
}

std::vector<std::string> ShardsToHold(const Identity& self, std::string_view exchange,
                                      const std::vector<SeenShard>& shards, const std::vector<SeenConsumer>& consumers,
                                      const std::vector<std::string>& held) {
  std::vector<std::string> wanted;
  for (const auto& [queue, bound, messages] : shards) {
    const std::optional<ShardQueueName> parts = PartsOf(queue, exchange);
    if (!parts) continue;
    const bool holds = Contains(held, queue);
    bool hold = bound || (messages ? *messages > 0 : holds);
    if (hold && parts->node != self.node) {
      hold = std::none_of(consumers.begin(), consumers.end(), [&](const SeenConsumer& consumer) {
        if (consumer.queue != queue || IsOwn(self, consumer.tag)) return false;
        return !holds || GivesWay(self, parts->node, consumer.tag);
      });
    }
    if (hold) wanted.push_back(queue);
  }
  return wanted;
}

bool IsYieldTime(std::string_view shard, std::int64_t now_ms, std::int64_t every_ms) {
  if (every_ms <= 0) return false;
  const auto shift = static_cast<std::int64_t>(Hash(shard) % static_cast<std::uint64_t>(every_ms));
  return (now_ms + shift) % every_ms < kYieldMs;
}

std::size_t CountLocal(std::string_view node, std::string_view exchange, const std::vector<std::string>& shards) {
  return static_cast<std::size_t>(std::count_if(shards.begin(), shards.end(), [&](const std::string& shard) {
    const auto parts = PartsOf(shard, exchange);
    return parts && parts->node == node;
  }));
}

Wanted WantedOf(const Assignment& assignment, std::string_view exchange) {
  const std::set<std::string_view> local(assignment.local.begin(), assignment.local.end());
  std::set<std::string_view> seen;
  Wanted wanted;
  for (const std::string& shard : assignment.shards) {
    if (!PartsOf(shard, exchange) || !seen.insert(shard).second) continue;
    wanted.shards.push_back(shard);
    wanted.local += local.contains(shard);
  }
  return wanted;
}

unsigned PrefetchPerShard(unsigned concurrency, const Wanted& wanted) {
  const std::size_t sharing = wanted.local > 0 ? wanted.local : wanted.shards.size();
  const std::size_t share = concurrency / std::max<std::size_t>(sharing, 1);
  return static_cast<unsigned>(std::clamp<std::size_t>(share, 1, std::numeric_limits<std::uint16_t>::max()));
}

}  // namespace warren::worker
