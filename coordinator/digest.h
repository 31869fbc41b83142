// Digests of plans and outcomes: what the loop compares and tells. Pure; values.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "coordinator/apply.h"
#include "shardmgr/plan/plan.h"

namespace warren::coordinator {

/// The actions of each stream that has any, as text.
using Lines = std::map<StreamName, std::vector<std::string>>;
Lines ActionLines(const Plan& plan);

/// The plan without the actions of streams that failed with just these.
Plan Without(Plan plan, const Lines& failed);

/// "declare-shard 6, bind-shard 6": what was done; empty: nothing.
std::string Summary(const StreamOutcome& outcome);
/// About a binding of the stream's exchange itself: those between shards say nothing of the ring.
bool Did(const StreamOutcome& outcome, ActionKind kind, const std::string& queue);

/// Queues that were unbound from the stream's exchange and bound to it again.
std::vector<std::string> Rebounds(const StreamOutcome& outcome);

/// What the plan's shards wait for that are being drained.
struct Drains {
  bool any = false;
  bool unknown = false;  ///< The broker has not told the counts of some of them yet.
};
Drains DrainsOf(const Plan& plan);

}  // namespace warren::coordinator
