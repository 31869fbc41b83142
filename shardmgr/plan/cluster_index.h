// ClusterIndex: a Topology made searchable for one planning. Internal to plan/.
//
// Holds pointers into the Topology, which must outlive it. Lists that contradict each other (a binding
// to a queue that is not listed) are kept as they are; whoever asks gets nothing for what is not there.
#pragma once

#include <map>
#include <set>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "shardmgr/model/topology.h"
#include "shardmgr/plan/plan.h"

namespace warren {

struct VhostIndex {
  std::map<std::string_view, const Exchange*> exchanges;
  std::map<std::string_view, const Queue*> queues;
  std::unordered_map<std::string_view, std::vector<const Binding*>> bindings_from;  ///< By source exchange.

  const Exchange* FindExchange(std::string_view name) const;
  const Queue* FindQueue(std::string_view name) const;
  const std::vector<const Binding*>& BindingsFrom(std::string_view exchange) const;
};

class ClusterIndex {
 public:
  ClusterIndex(const Topology& topology, const PlanLimits& limits);

  const std::map<std::string_view, VhostIndex>& vhosts() const { return vhosts_; }
  const std::map<std::string_view, const Node*>& nodes() const { return nodes_; }
  /// Running, reachable and not in maintenance; by name.
  const std::set<std::string_view>& placeable() const { return placeable_; }
  /// Why nothing can be placed on a node now: "is down", "is in maintenance", "cannot be reached"; empty when it can.
  std::string_view WhyNotPlaceable(std::string_view node) const;

 private:
  std::map<std::string_view, VhostIndex> vhosts_;
  std::map<std::string_view, const Node*> nodes_;
  std::set<std::string_view> placeable_;
};

}  // namespace warren
