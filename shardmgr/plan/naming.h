// Names of shard queues, and back. Pure.
//
//   stream style:    "stream: <exchange> - <node> - <index>"
//   sharding style:  "sharding: <exchange> - <node> - <index>"   (the rabbitmq_sharding plugin's)
//
// Names of nodes hold no blanks, so a shard's name has one meaning even where the exchange's holds " - ".
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "policies/names.h"  // IsReservedExchange: names that are never sharded
#include "policies/stream_spec.h"

namespace warren {

/// Names of AMQP entities are short strings; a longer shard name cannot be declared.
inline constexpr std::size_t kMaxNameBytes = 255;

/// Name of shard `index` of `exchange` on `node`.
std::string ShardName(std::string_view exchange, std::string_view node, int index,
                      NameStyle style = NameStyle::kStream);

struct ShardNameParts {
  std::string node;
  int index = 0;
};

/// The parts of a shard name of `exchange`; nothing when `queue` is not one.
/// The index is decimal without leading zeros; other forms are not ours.
std::optional<ShardNameParts> ParseShardName(std::string_view queue, std::string_view exchange,
                                             NameStyle style = NameStyle::kStream);

struct ShardQueueName {
  NameStyle style = NameStyle::kStream;
  std::string exchange;
  std::string node;
  int index = 0;
};

/// The parts of a shard name of any exchange, in either style; nothing when `queue` is not one.
std::optional<ShardQueueName> ParseShardQueueName(std::string_view queue);
bool IsShardName(std::string_view queue);

/// With stable placement each shard has an exchange of its own, named as its queue, and this one, where messages for it
/// go while its queue cannot be had.
std::string AlternateName(std::string_view shard);
/// Of which shard `exchange` is the alternate; empty: of none.
std::string_view ShardOfAlternate(std::string_view exchange);

/// What every shard name of `exchange` starts with: "stream: <exchange> - ".
std::string ShardNamePrefix(std::string_view exchange, NameStyle style = NameStyle::kStream);

}  // namespace warren
