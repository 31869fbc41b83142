// Assign: which consumer of a stream consumes which of its shards. Pure, total, deterministic, and whatever order its
// arguments are in; O((shards + consumers) log) but for the names that it copies.
//
//   1. A consumer gets every shard that lives on the node it is connected to.
//   2. A shard on a node without a consumer goes to the consumer that has the fewest in all.
//   3. A consumer that still has none (its node has no shards, and none was left) shares the shard with the fewest
//      consumers, so that it is of use.
//
// Who had a shard keeps it as long as this stays level: joins and losses move no more than they have to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "shardmgr/plan/plan.h"

namespace warren {

/// A queue that is to have a consumer.
struct ServableShard {
  std::string queue;
  std::string node;  ///< Where it is; empty: not known.

  bool operator==(const ServableShard&) const = default;
};

struct ShardConsumer {
  std::string instance;
  std::string node;              ///< Of its connection.
  std::vector<std::string> had;  ///< Queues of its last assignment; where that is not known, those that it holds.
};

/// What one consumer is to consume.
struct ShardShare {
  std::vector<std::string> shards;  ///< Local ones first; each part by name.
  std::size_t local = 0;            ///< So many of them live on its node.

  bool operator==(const ShardShare&) const = default;
};

/// The share of each consumer, in the order of `consumers`, whose instances are unique.
std::vector<ShardShare> Assign(const std::vector<ServableShard>& shards, const std::vector<ShardConsumer>& consumers);

/// The shards of a stream that need a consumer: those in service, and those out of it that hold messages. One of which
/// that is not known stays with whoever holds it (`held`), so that it is let go of only when it is known to be empty.
/// Counts are `statistics_interval_ms` old at most; `observed_at_ms` is when they were read.
std::vector<ServableShard> ServableShards(const StreamPlan& stream, const std::set<std::string>& held,
                                          std::int64_t observed_at_ms, std::int64_t statistics_interval_ms);

}  // namespace warren
