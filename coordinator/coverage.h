// CoverageBook: which shards nobody consumes, by what the broker counts. One count may be some seconds old, so a shard
// is uncovered once two observations say so that are at least as far apart as counts may be old. Pure; one thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "shardmgr/plan/plan.h"

namespace warren::coordinator {

/// A shard without a consumer that needs one: it is bound, or holds messages, and is not down.
struct UncoveredShard {
  std::string queue;
  std::string node;           ///< Where it is.
  std::int64_t since_ms = 0;  ///< Unix time of the first of the observations without a break that show it so.
  std::optional<std::uint64_t> messages;

  bool operator==(const UncoveredShard&) const = default;
};

class CoverageBook {
 public:
  /// Takes note of an observation; `counts_age_ms`: how old its counts may be. The uncovered shards of each stream.
  std::map<StreamName, std::vector<UncoveredShard>> Update(const Plan& plan, std::int64_t counts_age_ms);

 private:
  using Key = std::pair<std::string, std::string>;  ///< Vhost and queue.
  std::map<Key, std::int64_t> since_;
};

/// What is to be said of it: nothing, that a stream is without consumers and nothing waits (no fault: it may be scaled
/// to zero), or that shards are left out.
std::optional<Condition> CoverageCondition(const StreamPlan& stream, const std::vector<UncoveredShard>& uncovered);

}  // namespace warren::coordinator
