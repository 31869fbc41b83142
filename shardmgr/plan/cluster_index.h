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
  std::map<std::string_view, std::vector<const Binding*>> bindings_to;              ///< By destination queue.
  std::map<std::string_view, std::vector<const Binding*>> bindings_to_exchange;     ///< By destination exchange.
  std::map<std::string_view, const BrokerPolicy*> policies;

  const Exchange* FindExchange(std::string_view name) const;
  const Queue* FindQueue(std::string_view name) const;
  const BrokerPolicy* FindPolicy(std::string_view name) const;
  const std::vector<const Binding*>& BindingsFrom(std::string_view exchange) const;
  /// Of one queue, from all exchanges; in an order that does not depend on the observation's.
  const std::vector<const Binding*>& BindingsTo(std::string_view queue) const;
  const std::vector<const Binding*>& BindingsToExchange(std::string_view exchange) const;
};

class ClusterIndex {
 public:
  ClusterIndex(const Topology& topology, const PlanLimits& limits, const std::vector<std::string>& drained);

  const std::map<std::string_view, VhostIndex>& vhosts() const { return vhosts_; }
  const std::map<std::string_view, const Node*>& nodes() const { return nodes_; }
  std::int64_t observed_at_ms() const { return observed_at_ms_; }

  /// Its shards are to go (stream-node.<node>).
  bool IsDrained(std::string_view node) const { return drained_.contains(node); }
  /// Why nothing can be placed on a node now: "is down", "is in maintenance", "cannot be reached", "is being drained";
  /// empty when it can.
  std::string_view WhyNotPlaceable(std::string_view node) const;
  /// Running, reachable and not in maintenance.
  bool Answers(std::string_view node) const { return answering_.contains(node); }
  /// How far two looks at counts have to be apart so that the second is newer than the first.
  std::int64_t counts_age_ms() const { return counts_age_ms_; }
  /// Where to say what concerns a thing of `node`: there if it answers, else the first node that does; empty: none.
  std::string Via(std::string_view node) const;

 private:
  std::int64_t observed_at_ms_ = 0;
  std::int64_t counts_age_ms_ = 0;
  std::map<std::string_view, VhostIndex> vhosts_;
  std::map<std::string_view, const Node*> nodes_;
  std::set<std::string_view> answering_;  ///< Running, reachable and not in maintenance.
  std::set<std::string_view> drained_;
};

}  // namespace warren
