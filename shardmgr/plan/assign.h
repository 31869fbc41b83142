// Assign: which consumer of a stream consumes which of its shards. Pure, total, deterministic, and whatever order its
// arguments are in; O((shards + consumers) log) but for the names that it copies.
//
//   1. A consumer gets every shard that lives on the node it is connected to.
//   2. A shard on a node without a consumer goes to the consumer that has the fewest in all.
//   3. A consumer that still has none (its node has no shards, and none was left) shares the shard with the fewest
//      consumers, so that it is of use.
//
// Who had a shard keeps it as long as this stays level: joins and losses move no more than they have to. No consumer
// gets more than it can be told of; a shard that is too many for those on its node is one on a node without any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "shardmgr/plan/plan.h"

namespace warren {

/// A queue that is to have a consumer.
struct ServableShard {
  std::string queue;
  std::string node;  ///< Where it is; empty: not known.
  /// What its name takes of ShareLimits::bytes.
  std::size_t bytes = 0;

  bool operator==(const ServableShard&) const = default;
};

using QueueNames = std::vector<std::string>;

struct ShardConsumer {
  std::string instance;
  std::string node;  ///< Of its connection.
  QueueNames had;    ///< Queues of its last assignment; where that is not known, those that it holds.
  /// More of them, before `had`: a list that many consumers may share. Null: none.
  std::shared_ptr<const QueueNames> had_local = nullptr;
};

/// What one consumer is to consume.
struct ShardShare {
  std::vector<std::string> shards;  ///< Local ones first; each part by name.
  std::size_t local = 0;            ///< So many of them live on its node.

  bool operator==(const ShardShare&) const = default;
};

/// The same, where the consumers of one node have one list of its shards: a thousand of them take no more memory than
/// one.
struct SharedShare {
  std::shared_ptr<const QueueNames> local;  ///< On its node; never null.
  QueueNames others;
};

/// What one consumer can be told of. A local shard is named twice.
struct ShareLimits {
  std::size_t names = std::numeric_limits<std::size_t>::max();
  std::size_t bytes = std::numeric_limits<std::size_t>::max();  ///< Sum of ServableShard::bytes.
};

struct Shares {
  std::vector<SharedShare> given;  ///< In the order of the consumers.
  bool left_out = false;           ///< There are shards that no consumer had room for.
};

/// Of consumers whose instances are unique.
Shares AssignShared(const std::vector<ServableShard>& shards, const std::vector<ShardConsumer>& consumers,
                    const ShareLimits& limits = {});
/// The share of each consumer as a list of its own, in the order of `consumers`.
std::vector<ShardShare> Assign(const std::vector<ServableShard>& shards, const std::vector<ShardConsumer>& consumers);

/// The shards of a stream that need a consumer: those in service, and those out of it that hold messages. One of which
/// that is not known stays with whoever holds it (`held`), so that it is let go of only when it is known to be empty.
/// Counts are `statistics_interval_ms` old at most; `observed_at_ms` is when they were read.
std::vector<ServableShard> ServableShards(const StreamPlan& stream, const std::set<std::string>& held,
                                          std::int64_t observed_at_ms, std::int64_t statistics_interval_ms);

}  // namespace warren
