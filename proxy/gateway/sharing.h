// Sharing: what the consumers of a group consume, of what the group is to consume. Pure, total, deterministic; moves no
// more than it has to.
#pragma once

#include <string>
#include <vector>

#include "proxy/gateway/member.h"

namespace warren::gateway {

/// A shard that a group is to consume.
struct DueShard {
  std::string queue;
  bool local = false;  ///< On the group's node.
};

/// A member that takes part, and what it had before.
struct Sharer {
  MemberId member = 0;
  std::vector<std::string> had;
};

/// What each is to consume, in the order of `sharers`. kAll: every local shard, and of the others a level part that
/// nobody else has. kOne: a level part of all. A member that would have none shares the shard with the fewest.
std::vector<std::vector<std::string>> ShareOut(const std::vector<DueShard>& due, const std::vector<Sharer>& sharers,
                                               ConsumeMode mode);

}  // namespace warren::gateway
