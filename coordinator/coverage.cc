// See coverage.h.
#include "coordinator/coverage.h"

#include <algorithm>

namespace warren::coordinator {
namespace {

constexpr std::size_t kMostNamed = 5;

bool IsWithoutConsumer(const Shard& shard) {
  if (shard.state == ShardState::kMissing || shard.state == ShardState::kDown || shard.state == ShardState::kConflict ||
      shard.consumers != 0U)
    return false;
  return shard.bound || shard.ready.value_or(0) + shard.unacked.value_or(0) > 0;
}

/// Without counts: these change all the time, and a condition is told of again when its words are others.
std::string Names(const std::vector<UncoveredShard>& uncovered) {
  std::string text;
  for (std::size_t i = 0; i < std::min(uncovered.size(), kMostNamed); ++i) {
    text += (i == 0 ? "'" : ", '") + uncovered[i].queue + "'";
  }
  if (uncovered.size() > kMostNamed) text += " and " + std::to_string(uncovered.size() - kMostNamed) + " more";
  return text;
}

}  // namespace

std::map<StreamName, std::vector<UncoveredShard>> CoverageBook::Update(const Plan& plan, std::int64_t counts_age_ms) {
  std::map<Key, std::int64_t> since;
  std::map<StreamName, std::vector<UncoveredShard>> uncovered;
  for (const StreamPlan& stream : plan.streams) {
    for (const Shard& shard : stream.shards) {
      if (!IsWithoutConsumer(shard)) continue;
      const Key key{stream.vhost, shard.queue};
      const auto before = since_.find(key);
      const std::int64_t first_ms = before == since_.end() ? plan.observed_at_ms : before->second;
      since.emplace(key, first_ms);
      if (plan.observed_at_ms - first_ms < counts_age_ms) continue;
      std::optional<std::uint64_t> messages;
      if (shard.ready) messages = *shard.ready + shard.unacked.value_or(0);
      uncovered[{stream.vhost, stream.exchange}].push_back({shard.queue, shard.observed_node, first_ms, messages});
    }
  }
  since_ = std::move(since);
  return uncovered;
}

std::optional<Condition> CoverageCondition(const StreamPlan& stream, const std::vector<UncoveredShard>& uncovered) {
  if (uncovered.empty()) return std::nullopt;
  const bool waits = std::any_of(uncovered.begin(), uncovered.end(),
                                 [](const UncoveredShard& shard) { return shard.messages.value_or(0) > 0; });
  const bool others_served = std::any_of(stream.shards.begin(), stream.shards.end(),
                                         [](const Shard& shard) { return shard.consumers.value_or(0) > 0; });
  if (!waits && !others_served) {
    return Condition{ConditionType::kReady, "NoConsumers", "nobody consumes the stream's shards, which are empty",
                     false};
  }
  const std::string remedy = others_served ? "; see with GET /api/v1/assignments who should consume them, and whether "
                                             "that worker runs"
                                           : "; start a worker";
  return Condition{ConditionType::kDegraded, "ShardsUncovered",
                   "nobody consumes these shards" + std::string(waits ? ", in which messages wait: " : ": ") +
                       Names(uncovered) + remedy,
                   false};
}

}  // namespace warren::coordinator
