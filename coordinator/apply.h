// Apply: carries out a plan over AMQP. Streams go side by side (bounded) and never affect each other.
//
// Within a stream: the dead-letter exchange first; then all declares, pipelined over the connections of
// their nodes; then all binds, pipelined in plan order on one channel, so that the ring has that order.
// A step that fails ends its stream for this round: what is left is for the next plan. Each phase has
// channels of its own, so an error that closes a channel stays where it belongs.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "coordinator/node_pool.h"
#include "shardmgr/plan/plan.h"

namespace warren::coordinator {

struct ActionOutcome {
  ActionKind kind = ActionKind::kDeclareShard;
  std::string action;      ///< Action::ToString()
  bool attempted = false;  ///< False: an earlier step of the stream failed.
  Result<void> result;
};

struct StreamOutcome {
  std::string vhost;
  std::string exchange;
  std::vector<ActionOutcome> actions;  ///< As in the plan.

  const ActionOutcome* failure() const;  ///< The first that was attempted and failed; null: none did.
  std::size_t succeeded() const;
};

/// Blocks until every stream with actions is done, each within 30 s, or until `stopped` says so (asked
/// ten times a second; what is under way then is abandoned). Not on the pool's thread.
std::vector<StreamOutcome> Apply(NodePool& pool, const Plan& plan, const std::function<bool()>& stopped);

}  // namespace warren::coordinator
