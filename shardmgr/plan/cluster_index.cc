// Builds the maps; decides only which nodes may be given something.
#include "shardmgr/plan/cluster_index.h"

#include <algorithm>
#include <tuple>

namespace warren {
namespace {

constexpr std::int64_t kCacheFactor = 5;  // rabbitmq_management: management_db_cache_multiplier

const std::vector<const Binding*> kNoBindings;

template <class Map>
auto FindOrNull(const Map& map, std::string_view name) -> typename Map::mapped_type {
  const auto found = map.find(name);
  return found == map.end() ? nullptr : found->second;
}

bool Before(const Binding* a, const Binding* b) {
  return std::tie(a->source, a->routing_key) < std::tie(b->source, b->routing_key) ||
         (std::tie(a->source, a->routing_key) == std::tie(b->source, b->routing_key) &&
          a->arguments.dump() < b->arguments.dump());
}

}  // namespace

const Exchange* VhostIndex::FindExchange(std::string_view name) const { return FindOrNull(exchanges, name); }
const Queue* VhostIndex::FindQueue(std::string_view name) const { return FindOrNull(queues, name); }
const BrokerPolicy* VhostIndex::FindPolicy(std::string_view name) const { return FindOrNull(policies, name); }

const std::vector<const Binding*>& VhostIndex::BindingsFrom(std::string_view exchange) const {
  const auto found = bindings_from.find(exchange);
  return found == bindings_from.end() ? kNoBindings : found->second;
}

const std::vector<const Binding*>& VhostIndex::BindingsTo(std::string_view queue) const {
  const auto found = bindings_to.find(queue);
  return found == bindings_to.end() ? kNoBindings : found->second;
}

const std::vector<const Binding*>& VhostIndex::BindingsToExchange(std::string_view exchange) const {
  const auto found = bindings_to_exchange.find(exchange);
  return found == bindings_to_exchange.end() ? kNoBindings : found->second;
}

ClusterIndex::ClusterIndex(const Topology& topology, const PlanLimits& limits, const std::vector<std::string>& drained)
    : observed_at_ms_(topology.observed_at_ms),
      counts_age_ms_(limits.statistics_interval_ms + kCacheFactor * topology.took_ms),
      drained_(drained.begin(), drained.end()) {
  for (const Node& node : topology.nodes) nodes_.emplace(node.name, &node);
  for (const Exchange& exchange : topology.exchanges) {
    vhosts_[exchange.vhost].exchanges.emplace(exchange.name, &exchange);
  }
  for (const Queue& queue : topology.queues) vhosts_[queue.vhost].queues.emplace(queue.name, &queue);
  for (const BrokerPolicy& policy : topology.policies) vhosts_[policy.vhost].policies.emplace(policy.name, &policy);
  for (const Binding& binding : topology.bindings) {
    VhostIndex& vhost = vhosts_[binding.vhost];
    vhost.bindings_from[binding.source].push_back(&binding);
    if (!binding.to_queue) {
      vhost.bindings_to_exchange[binding.destination].push_back(&binding);
    } else if (!binding.source.empty()) {
      vhost.bindings_to[binding.destination].push_back(&binding);
    }
  }
  for (auto& [name, vhost] : vhosts_) {
    for (auto* by_destination : {&vhost.bindings_to, &vhost.bindings_to_exchange}) {
      for (auto& [to, bindings] : *by_destination) std::sort(bindings.begin(), bindings.end(), Before);
    }
  }
  for (const auto& [name, node] : nodes_) {
    if (node->running && !node->maintenance.value_or(false)) answering_.insert(name);
  }
  for (const std::string& name : limits.unreachable_nodes) answering_.erase(name);
}

std::string_view ClusterIndex::WhyNotPlaceable(std::string_view node) const {
  const auto found = nodes_.find(node);
  if (found == nodes_.end()) return "is not in the cluster";
  if (!found->second->running) return "is down";
  if (drained_.contains(node)) return "is being drained";
  if (answering_.contains(node)) return {};
  return found->second->maintenance.value_or(false) ? "is in maintenance" : "cannot be reached";
}

std::string ClusterIndex::Via(std::string_view node) const {
  if (answering_.contains(node)) return std::string(node);
  return answering_.empty() ? std::string() : std::string(*answering_.begin());
}

}  // namespace warren
