// Names of shard queues, and back. Pure.
//
//   stream style:    "stream: <exchange> - <node> - <index>"
//   sharding style:  "sharding: <exchange> - <node> - <index>"   (the rabbitmq_sharding plugin's)
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace warren {

/// Name of shard `index` of `exchange` on `node`, in stream style.
std::string ShardName(std::string_view exchange, std::string_view node, int index);

struct ShardNameParts {
  std::string node;
  int index = 0;
};

/// The parts of a stream-style shard name of `exchange`; nothing when `queue` is not one.
/// Exchange and node names may themselves hold " - ", so the exchange has to be given.
std::optional<ShardNameParts> ParseShardName(std::string_view queue, std::string_view exchange);

/// Names that belong to the broker or to Warren, and are never sharded: the default exchange,
/// `amq.*`, `stream: *`, `sharding: *`, `warren.*`.
bool IsReservedExchange(std::string_view exchange);

}  // namespace warren
