// Builds the maps; decides only which nodes may be given something.
#include "shardmgr/plan/cluster_index.h"

namespace warren {
namespace {

template <class Map>
auto FindOrNull(const Map& map, std::string_view name) -> typename Map::mapped_type {
  const auto found = map.find(name);
  return found == map.end() ? nullptr : found->second;
}

}  // namespace

const Exchange* VhostIndex::FindExchange(std::string_view name) const { return FindOrNull(exchanges, name); }
const Queue* VhostIndex::FindQueue(std::string_view name) const { return FindOrNull(queues, name); }

const std::vector<const Binding*>& VhostIndex::BindingsFrom(std::string_view exchange) const {
  static const std::vector<const Binding*> kNone;
  const auto found = bindings_from.find(exchange);
  return found == bindings_from.end() ? kNone : found->second;
}

ClusterIndex::ClusterIndex(const Topology& topology, const PlanLimits& limits) {
  for (const Node& node : topology.nodes) nodes_.emplace(node.name, &node);
  for (const Exchange& exchange : topology.exchanges) {
    vhosts_[exchange.vhost].exchanges.emplace(exchange.name, &exchange);
  }
  for (const Queue& queue : topology.queues) vhosts_[queue.vhost].queues.emplace(queue.name, &queue);
  for (const Binding& binding : topology.bindings) {
    vhosts_[binding.vhost].bindings_from[binding.source].push_back(&binding);
  }
  for (const auto& [name, node] : nodes_) {
    if (node->running && !node->maintenance.value_or(false)) placeable_.insert(name);
  }
  for (const std::string& name : limits.unreachable_nodes) placeable_.erase(name);
}

std::string_view ClusterIndex::WhyNotPlaceable(std::string_view node) const {
  if (placeable_.contains(node)) return {};
  const auto found = nodes_.find(node);
  if (found == nodes_.end()) return "is not in the cluster";
  if (!found->second->running) return "is down";
  if (found->second->maintenance.value_or(false)) return "is in maintenance";
  return "cannot be reached";
}

}  // namespace warren
