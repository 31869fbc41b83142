// Counting by what becomes of each shard.
#include "coordinator/ctl/node_shards.h"

namespace warren::ctl {
namespace {

bool HasCondition(const StreamPlan& stream, std::string_view reason) {
  return std::any_of(stream.conditions.begin(), stream.conditions.end(),
                     [&](const Condition& condition) { return condition.reason == reason; });
}

bool IsBlocked(const StreamPlan& stream) {
  return std::any_of(stream.conditions.begin(), stream.conditions.end(),
                     [](const Condition& condition) { return condition.blocks; });
}

/// As the planner says it: not wanted, and the exchange has no other shard that serves.
bool StaysAsTheLast(const StreamPlan& stream, const Shard& shard) {
  return shard.state == ShardState::kDraining && shard.bound && HasCondition(stream, "LastShard");
}

void Count(const StreamPlan& stream, const Shard& shard, NodeShards& count) {
  if (shard.state == ShardState::kMissing || shard.state == ShardState::kConflict) return;
  const bool retained = shard.state == ShardState::kRetained;
  if (stream.orphaned() || retained) {
    ++(retained ? count.retained : count.orphaned);
    count.messages_left += shard.ready.value_or(0) + shard.unacked.value_or(0);
    return;
  }
  count.leaving.Add(shard);
  if (shard.state == ShardState::kDown) {
    ++count.down;
  } else if (IsBlocked(stream)) {
    ++count.blocked;
  } else if (StaysAsTheLast(stream, shard)) {
    ++count.lone;
  }
}

std::string Number(std::uint64_t count, std::string_view one) {
  return std::to_string(count) + " " + std::string(one) + (count == 1 ? "" : "s");
}

}  // namespace

std::string NodeShards::ToString(const std::string& node) const {
  return std::to_string(leaving.shards) + (leaving.shards == 1 ? " shard is" : " shards are") + " on " + node + ": " +
         std::to_string(leaving.ready) + " messages ready, " + std::to_string(leaving.unacked) + " unacknowledged, " +
         std::to_string(leaving.consumers) + " consumers";
}

std::string NodeShards::WhyStuck() const {
  std::string text;
  if (lone > 0) {
    text = Number(lone, "shard") +
           (lone == 1 ? " is the only one bound to its exchange, and stays"
                      : " are each the only one bound to their exchange, and stay") +
           " until another node can have one";
  }
  if (down > 0) {
    text += (text.empty() ? "" : "; ") + Number(down, "shard") + (down == 1 ? " is" : " are") +
            " down, and nothing can be taken off a node that does not serve: start it, or 'rabbitmqctl "
            "forget_cluster_node' if it is gone for good";
  }
  if (blocked > 0) {
    text += (text.empty() ? "" : "; ") + Number(blocked, "shard") + (blocked == 1 ? " is" : " are") +
            " of streams for which nothing can be done; 'warrenctl status' says why";
  }
  return text;
}

std::string NodeShards::WhatStays() const {
  std::string text;
  if (orphaned > 0) text = std::to_string(orphaned) + " orphaned";
  if (retained > 0) text += (text.empty() ? "" : " and ") + std::to_string(retained) + " retained";
  const bool one = orphaned + retained == 1;
  text += std::string(one ? " shard" : " shards") + " with " + Number(messages_left, "message") +
          (one ? " stays on it" : " stay on it");
  if (orphaned > 0) text += "; 'warrenctl delete_stream' removes orphaned ones";
  if (retained > 0) text += "; retained ones are kept as on-remove says: consume them, and delete them by hand";
  return text;
}

NodeShards CountOnNode(const Plan& plan, const std::string& node) {
  NodeShards count;
  for (const StreamPlan& stream : plan.streams) {
    for (const Shard& shard : stream.shards) {
      if (shard.observed_node == node) Count(stream, shard, count);
    }
  }
  return count;
}

}  // namespace warren::ctl
