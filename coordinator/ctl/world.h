// The cluster as it is and the plan for it: what lists, plan and apply all start from.
#pragma once

#include "coordinator/ctl/command.h"
#include "shardmgr/model/topology.h"
#include "shardmgr/plan/plan.h"

namespace warren::ctl {

struct World {
  Topology topology;
  Plan plan;  ///< Of the virtual host that was named only, where one was.
};

/// Observes through the management API and plans. Blocks.
Result<World> Look(const Context& context);

/// Warns of each parameter that is not valid and of what each stream has to say against itself.
void WarnOfConditions(const Context& context, const Plan& plan);

}  // namespace warren::ctl
