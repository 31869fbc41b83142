// Applies the plan of one stream through the management API alone.
//
// For warrenctl, which has no AMQP connection; the daemon declares and binds over AMQP instead. The
// actions run in plan order; after the first that fails the rest of that stream is left for the next
// round, so that no shard is bound before it is declared and the order of bindings stays. Blocking.
#pragma once

#include <string>
#include <vector>

#include "shardmgr/broker/management/client.h"
#include "shardmgr/plan/plan.h"

namespace warren::management {

/// What became of one action.
struct ActionOutcome {
  Action action;
  Result<void> result;
  bool attempted = true;  ///< False: an earlier action of the stream failed.
};

/// One outcome for each action of `stream`, in the same order. A queue that is declared but found on
/// another node than planned is an error of that action (kConflict).
std::vector<ActionOutcome> ApplyThroughManagement(const Client& client, const StreamPlan& stream);

}  // namespace warren::management
