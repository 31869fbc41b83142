// What is on a node that is being drained, as far as it has to go and as far as it stays. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "coordinator/ctl/world.h"
#include "shardmgr/plan/plan.h"

namespace warren::ctl {

/// The queues of shards on one node, over all streams of a plan.
struct NodeShards {
  DrainCount leaving;               ///< Those that a drain is to take away.
  std::size_t lone = 0;             ///< Of these, those that stay bound: their exchange has no other shard that serves.
  std::size_t down = 0;             ///< Of these, those that nothing can be done about: the queue or its node is down.
  std::size_t blocked = 0;          ///< Of these, those of streams for which nothing is done while a condition blocks.
  std::size_t orphaned = 0;         ///< Besides these: of streams that no policy matches.
  std::size_t retained = 0;         ///< Besides these: kept unbound, as on-remove says.
  std::uint64_t messages_left = 0;  ///< Ready and unacknowledged in the orphaned and retained ones, as far as known.

  /// Nothing is left, and nothing stays.
  bool empty() const { return leaving.shards + orphaned + retained == 0; }
  /// A drain is to take nothing more away; what is left, if anything, is orphaned or retained.
  bool done() const { return leaving.shards == 0; }
  /// All that is to go cannot go by itself.
  bool stuck() const { return !done() && lone + down + blocked == leaving.shards; }

  /// "2 shards are on a@h: 5 messages ready, 0 unacknowledged, 1 consumers"
  std::string ToString(const std::string& node) const;
  /// Why those of stuck() stay, and until when.
  std::string WhyStuck() const;
  /// "1 orphaned and 2 retained shards with 5 messages stay on it; …", with what removes them.
  std::string WhatStays() const;
};

/// Counts. Queues that have a shard's name and are somebody else's are not counted.
NodeShards CountOnNode(const Plan& plan, const std::string& node);

}  // namespace warren::ctl
