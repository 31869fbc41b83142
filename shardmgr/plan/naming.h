// Names of shard queues, and back. Pure.
//
//   stream style:    "stream: <exchange> - <node> - <index>"
//   sharding style:  "sharding: <exchange> - <node> - <index>"   (the rabbitmq_sharding plugin's)
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "policies/names.h"  // IsReservedExchange: names that are never sharded

namespace warren {

/// Names of AMQP entities are short strings; a longer shard name cannot be declared.
inline constexpr std::size_t kMaxNameBytes = 255;

/// Name of shard `index` of `exchange` on `node`, in stream style.
std::string ShardName(std::string_view exchange, std::string_view node, int index);

struct ShardNameParts {
  std::string node;
  int index = 0;
};

/// The parts of a stream-style shard name of `exchange`; nothing when `queue` is not one.
/// Exchange and node names may themselves hold " - ", so the exchange has to be given.
/// The index is decimal without leading zeros; other forms are not ours.
std::optional<ShardNameParts> ParseShardName(std::string_view queue, std::string_view exchange);

/// What every shard name of `exchange` starts with: "stream: <exchange> - ".
std::string ShardNamePrefix(std::string_view exchange);

}  // namespace warren
