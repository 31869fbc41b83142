// A stream with stable placement, shard.x: where its messages end, and nodes that die and return.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/unit/plan/watched_stream.h"

namespace warren {

inline constexpr const char* kStable = R"({"shards-per-node": 2, "placement": "stable"})";
inline constexpr const char* kStableOne = R"({"shards-per-node": 1, "placement": "stable"})";

inline std::string Name(const std::string& node, int index) { return ShardName("shard.x", node, index); }

/// The queues that a message gets to that the exchange of this name is given; of an alternate exchange with two
/// bindings, both: it goes to either.
inline std::set<std::string> Ends(const Topology& topology, const std::string& name, std::set<std::string> seen = {}) {
  if (!seen.insert(name).second) return {""};
  std::set<std::string> ends;
  for (const Binding& binding : topology.bindings) {
    if (binding.source == name && binding.to_queue) ends.insert(binding.destination);
  }
  if (!ends.empty()) return ends;
  for (const Binding& binding : topology.bindings) {
    if (binding.source != AlternateName(name)) continue;
    for (const std::string& end : Ends(topology, binding.destination, seen)) ends.insert(end);
  }
  return ends.empty() ? std::set<std::string>{""} : ends;
}

/// Place in the ring -> the queues it may lead to.
inline std::map<std::string, std::set<std::string>> Routes(const Topology& topology) {
  std::map<std::string, std::set<std::string>> routes;
  for (const Binding& binding : topology.bindings) {
    if (binding.source != "shard.x") continue;
    routes[binding.destination + (binding.to_queue ? "" : " (exchange)")] =
        binding.to_queue ? std::set<std::string>{binding.destination} : Ends(topology, binding.destination);
  }
  return routes;
}

/// A node dies: its queues are down and the broker hides their bindings. Returns these.
inline std::vector<Binding> Kill(Topology& topology, const std::string& node) {
  std::vector<Binding> hidden;
  for (Node& each : topology.nodes) {
    if (each.name == node) each.running = false;
  }
  for (Queue& queue : topology.queues) {
    if (queue.node == node) queue.state = "down";
  }
  const auto of_it = [&](const Binding& b) {
    const Queue* queue = b.to_queue ? FindQueue(topology, b.destination) : nullptr;
    return queue != nullptr && queue->node == node;
  };
  std::copy_if(topology.bindings.begin(), topology.bindings.end(), std::back_inserter(hidden), of_it);
  std::erase_if(topology.bindings, of_it);
  return hidden;
}

inline void Return(Topology& topology, const std::string& node, const std::vector<Binding>& hidden) {
  for (Node& each : topology.nodes) each.running = each.running || each.name == node;
  for (Queue& queue : topology.queues) {
    if (queue.node == node) queue.state = "running";
  }
  topology.bindings.insert(topology.bindings.end(), hidden.begin(), hidden.end());
}

}  // namespace warren
