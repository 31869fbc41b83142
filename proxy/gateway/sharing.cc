// Members are consumers at one node to Assign; a shard that is not for each of them is on no node.
#include "proxy/gateway/sharing.h"

#include "shardmgr/plan/assign.h"

namespace warren::gateway {
namespace {

constexpr const char* kHere = "here";

/// Sorts as the number does.
std::string InstanceOf(MemberId member) {
  const std::string digits = std::to_string(member);
  return std::string(20 - digits.size(), '0') + digits;
}

}  // namespace

std::vector<std::vector<std::string>> ShareOut(const std::vector<DueShard>& due, const std::vector<Sharer>& sharers,
                                               ConsumeMode mode) {
  std::vector<ServableShard> shards;
  shards.reserve(due.size());
  for (const DueShard& shard : due) {
    shards.push_back({shard.queue, shard.local && mode == ConsumeMode::kAll ? kHere : ""});
  }
  std::vector<ShardConsumer> consumers;
  consumers.reserve(sharers.size());
  for (const Sharer& sharer : sharers) consumers.push_back({InstanceOf(sharer.member), kHere, sharer.had});
  std::vector<std::vector<std::string>> parts;
  parts.reserve(sharers.size());
  for (ShardShare& share : Assign(shards, consumers)) parts.push_back(std::move(share.shards));
  return parts;
}

}  // namespace warren::gateway
