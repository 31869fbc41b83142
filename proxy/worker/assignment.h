// Which shards a worker should consume, decided from what everybody can see: the shards of the
// stream and the consumers on them. Every worker decides for itself and all come to the same
// result, since consumer tags say who consumes: "warren:<node>:<instance>:<n>". Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

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

/// "warren:<node>:<instance>:<number>".
std::string ConsumerTag(const Identity& identity, unsigned number);

/// Node and instance in a tag; nothing when a worker of another make chose the tag.
std::optional<Identity> ParseConsumerTag(std::string_view tag);

/// The shards of `exchange` among `queues` that this worker should consume, in the order of `queues`:
/// those of its own node always; one of another node when nobody consumes it, and from then on until
/// somebody on its home node does, or a foreign worker with a smaller instance, or a consumer
/// with a tag of its own. `held` are the shards it consumes now.
std::vector<std::string> ShardsToHold(const Identity& self, std::string_view exchange,
                                      const std::vector<std::string>& queues,
                                      const std::vector<SeenConsumer>& consumers, const std::vector<std::string>& held);

/// Messages that each consumer may hold; at least 1. The shards of the worker's own node share `concurrency`: those
/// are what it keeps. Foreign ones, which it covers for a while, come on top with as much each, so that no consumer has
/// to be started again when they go. Without local shards, those it covers share it.
unsigned PrefetchPerShard(const Identity& self, std::string_view exchange, unsigned concurrency,
                          const std::vector<std::string>& shards);

}  // namespace warren::worker
