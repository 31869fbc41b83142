// Member: a consumer of a stream, as those see it who share out shards. Plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace warren::gateway {

/// What each of several consumers of a stream at one node gets: all local shards, or its part of them.
enum class ConsumeMode { kAll, kOne };

/// A consumer of a stream, as the desk sees it.
struct Member {
  std::size_t upstream = 0;  ///< Index of the node that its client is connected to.
  std::string vhost;
  std::string exchange;
  bool exclusive = false;  ///< Gets every shard that is up.
};

using MemberId = std::uint64_t;

}  // namespace warren::gateway
