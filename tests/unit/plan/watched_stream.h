// One stream, shard.x, on a cluster that is watched: what the tests of its life start from and look at.
#pragma once

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/unit/plan/drawn_cluster.h"

namespace warren {

inline constexpr const char* kTwo = R"({"shards-per-node": 2})";
inline constexpr const char* kOne = R"({"shards-per-node": 1})";
inline const std::vector<std::string> kThree = {"r1@h", "r2@h", "r3@h"};

inline WatchedCluster Converged(const std::string& definition, const std::string& type = "x-consistent-hash",
                                const std::vector<std::string>& nodes = kThree) {
  WatchedCluster cluster;
  cluster.topology = DrawCluster(nodes, {"shard.x"}, type);
  cluster.Converge(CatalogOf(definition));
  return cluster;
}

inline std::vector<std::string> Lines(const Plan& plan) {
  std::vector<std::string> lines;
  for (const StreamPlan& stream : plan.streams) {
    for (const Action& action : stream.actions) lines.push_back(action.ToString());
  }
  return lines;
}

inline std::size_t Bound(const WatchedCluster& cluster) {
  const auto& bindings = cluster.topology.bindings;
  return static_cast<std::size_t>(
      std::count_if(bindings.begin(), bindings.end(), [](const Binding& b) { return b.source == "shard.x"; }));
}

inline const Shard& FindShard(const Plan& plan, const std::string& queue) {
  for (const Shard& shard : plan.streams.at(0).shards) {
    if (shard.queue == queue) return shard;
  }
  throw std::out_of_range(queue);
}

using Texts = std::vector<std::string>;

}  // namespace warren
