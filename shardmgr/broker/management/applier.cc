// One stream's actions through the management API, in plan order.
#include "shardmgr/broker/management/applier.h"

namespace warren::management {
namespace {

/// A queue-master-locator policy overrides the node that was asked for, and the answer does not tell.
Result<void> DeclareOnItsNode(const Client& client, const Action& action) {
  auto declared = client.PutQueue(action.vhost, action.queue, action.declare_as, action.node);
  if (!declared) return tl::unexpected(declared.error());
  auto queue = client.GetQueue(action.vhost, action.queue);
  if (!queue) return tl::unexpected(queue.error());
  if (queue->node == action.node) return {};
  return Fail(ErrorCode::kConflict,
              "it was put on " + queue->node + " instead of " + action.node +
                  "; see whether a policy sets queue-master-locator or queue-leader-locator for it",
              "declaring queue '" + action.queue + "' of virtual host '" + action.vhost + "'");
}

/// Where rejected and expired requests go, before any queue names it.
Result<void> DeclareDeadLetterExchange(const Client& client, const Action& action) {
  Exchange exchange;
  exchange.vhost = action.vhost;
  exchange.name = action.exchange;
  exchange.type = "headers";
  exchange.durable = true;
  auto declared = client.PutExchange(exchange);
  if (!declared) return tl::unexpected(declared.error());
  return {};
}

Result<void> Perform(const Client& client, const Action& action) {
  switch (action.kind) {
    case ActionKind::kDeclareDeadLetterExchange: return DeclareDeadLetterExchange(client, action);
    case ActionKind::kDeclareShard: return DeclareOnItsNode(client, action);
    case ActionKind::kBindShard: {
      auto bound = client.PutBinding(action.vhost, action.exchange, action.queue, action.routing_key);
      if (!bound) return tl::unexpected(bound.error());
      return {};
    }
  }
  return Fail(ErrorCode::kInternal, "unknown kind of action", action.queue);
}

}  // namespace

std::vector<ActionOutcome> ApplyThroughManagement(const Client& client, const StreamPlan& stream) {
  std::vector<ActionOutcome> outcomes;
  outcomes.reserve(stream.actions.size());
  bool failed = false;
  for (const Action& action : stream.actions) {
    if (failed) {
      outcomes.push_back({action, Fail(ErrorCode::kPartial, "left for later, since an earlier step failed"), false});
      continue;
    }
    auto result = Perform(client, action);
    failed = !result;
    outcomes.push_back({action, std::move(result), true});
  }
  return outcomes;
}

}  // namespace warren::management
