// Which shards a worker should consume: what a coordinator assigned to it or, where there is none, decided from what
// everybody can see: the shards of the stream and the consumers on them. Then every worker decides for itself and all
// come to the same result, since consumer tags say who consumes: "warren:<node>:<instance>:<n>". Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shardmgr/model/assignment.h"

namespace warren::worker {

/// Who a worker is to the others.
struct Identity {
  std::string node;      ///< The broker node that it is connected to.
  std::string instance;  ///< Unique among workers; smaller ones go first.
};

/// A consumer as the management API lists it.
struct SeenConsumer {
  std::string queue;
  std::string tag;
};

/// A queue with a shard's name, of either style, as the management API lists it.
struct SeenShard {
  std::string queue;
  bool bound = false;                     ///< To the stream's exchange.
  std::optional<std::uint64_t> messages;  ///< Ready and unacknowledged, some seconds old; unset: not known.
};

/// What to consume, wherever it is known from.
struct Wanted {
  std::vector<std::string> shards;
  std::size_t local = 0;    ///< Shards of the worker's own node, of `shards` and those that rest.
  std::size_t resting = 0;  ///< Idle local shards that are not consumed for a while.
};

/// "warren:<node>:<instance>:<number>".
std::string ConsumerTag(const Identity& identity, unsigned number);

/// Node and instance in a tag; nothing when a worker of another make chose the tag.
std::optional<Identity> ParseConsumerTag(std::string_view tag);

/// The shards of `exchange` among `shards` that this worker should consume, in the order of `shards`:
/// those of its own node always; one of another node when nobody consumes it, and from then on until
/// somebody on its home node does, or a foreign worker with a smaller instance, or a consumer
/// with a tag of its own. A shard that is not bound (any more) counts while it holds messages, so that a drained one
/// is emptied and then let go; where it is not known what it holds, it counts if it is held. `held` are the shards
/// that the worker consumes now.
std::vector<std::string> ShardsToHold(const Identity& self, std::string_view exchange,
                                      const std::vector<SeenShard>& shards, const std::vector<SeenConsumer>& consumers,
                                      const std::vector<std::string>& held);

/// How long a worker without the management API lets go of an idle shard: long enough for the coordinator to see twice
/// that nobody consumes it.
inline constexpr std::int64_t kYieldMs = 20'000;

/// Whether an idle shard is to be let go of at this Unix time: for kYieldMs in every `every_ms`, for all workers at the
/// same time and for different shards at different times. Never when `every_ms` is 0.
bool IsYieldTime(std::string_view shard, std::int64_t now_ms, std::int64_t every_ms);

/// How many of `shards` have the name of a shard of `exchange` on `node`.
std::size_t CountLocal(std::string_view node, std::string_view exchange, const std::vector<std::string>& shards);

/// What an assignment says, once each. Queues that are not named as shards of `exchange` are left out: what is in them
/// was never meant for this worker, and it would throw it away.
Wanted WantedOf(const Assignment& assignment, std::string_view exchange);

/// Messages that each consumer may hold; at least 1. The shards of the worker's own node share `concurrency`: those
/// are what it keeps. Foreign ones, which it covers for a while, come on top with as much each, so that no consumer has
/// to be started again when they go. Without local shards, those it covers share it.
unsigned PrefetchPerShard(unsigned concurrency, const Wanted& wanted);

}  // namespace warren::worker
