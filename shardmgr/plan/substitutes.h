// Which shard stands in for which, on streams with stable placement. Pure.
//
// Each place (a shard's part of the ring) has one substitute: messages whose own queue cannot be had go on to that
// place, and where its queue cannot be had either to the substitute of that, and so on. Chosen once, so that nothing
// has to be done at the moment a node dies:
//   - never a shard of the same node, unless there is one node alone;
//   - those of one node's shards are spread over the other nodes evenly, and are different shards;
//   - whatever nodes are gone, as long as one is left each chain ends there: every circle visits all nodes.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace warren {

struct PlaceName {
  std::string name;
  std::string node;
  int index = 0;
};

/// Place -> its substitute. `places` are index-major, then by node, each once. `now`: of each place the substitutes
/// that it has; what is right among them stays. Every place gets one, but for a place that is alone. The same again
/// when `now` is the answer.
std::map<std::string, std::string> ChooseSubstitutes(const std::vector<PlaceName>& places,
                                                     const std::map<std::string, std::vector<std::string>>& now);

}  // namespace warren
