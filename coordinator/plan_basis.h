// PlanBasis: what the last observation came to, for whoever hears of a change before the next one; and what
// can be decided with it: whether an event matters, and how a new exchange is sharded at once.
//
// Patched with one event it is no observation: of a plan made with it only declares and binds are ever taken,
// which the next observation could not have wanted otherwise. Pure.
#pragma once

#include <optional>
#include <set>

#include "coordinator/cluster_event.h"
#include "policies/catalog.h"
#include "shardmgr/model/topology.h"
#include "shardmgr/plan/plan.h"

namespace warren::coordinator {

struct PlanBasis {
  Topology topology;
  policies::Catalog catalog;
  PlanLimits limits;
  std::set<StreamName> streams;  ///< That the last plan had.
};

/// Whether the event may change what has to be done, or what is shown.
bool Concerns(const PlanBasis& basis, const ClusterEvent& event);

/// The declares and binds that `created` ("exchange.created") calls for; nothing when no policy matches it, or
/// when more than these would have to be done.
std::optional<StreamPlan> PlanNewExchange(const PlanBasis& basis, const ClusterEvent& created);

}  // namespace warren::coordinator
