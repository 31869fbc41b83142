// One stream's actions through the management API, in plan order.
#include "shardmgr/broker/management/applier.h"

namespace warren::management {
namespace {

Result<void> Done(const Result<WriteOutcome>& written) {
  if (!written) return tl::unexpected(written.error());
  return {};
}

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

/// Exchanges of Warren's own: warren.dead (headers), warren.draining (direct).
Result<void> DeclareExchange(const Client& client, const Action& action, const char* type) {
  Exchange exchange;
  exchange.vhost = action.vhost;
  exchange.name = action.exchange;
  exchange.type = type;
  exchange.durable = true;
  return Done(client.PutExchange(exchange));
}

std::string Count(const std::optional<std::uint64_t>& count, std::string_view of_what) {
  return (count ? std::to_string(*count) : std::string("an unknown number of")) + " " + std::string(of_what);
}

/// A quorum queue refuses if-empty and if-unused. Its counts are read once more, right before it is deleted; and since
/// it reports them every five seconds only, it is asked for a message as well.
Result<void> DeleteQuorumShard(const Client& client, const Action& action) {
  auto queue = client.GetQueue(action.vhost, action.queue);
  if (!queue && queue.error().code == ErrorCode::kNotFound) return {};
  if (!queue) return tl::unexpected(queue.error());
  if (queue->ready != 0u || queue->unacked != 0u || queue->consumers != 0u) {
    return Fail(ErrorCode::kConflict,
                "it is not empty and unused: it has " + Count(queue->ready, "messages ready, ") +
                    Count(queue->unacked, "unacknowledged and ") + Count(queue->consumers, "consumers"),
                "deleting queue '" + action.queue + "' of virtual host '" + action.vhost + "'");
  }
  auto holds = client.HasReadyMessage(action.vhost, action.queue);
  if (!holds && holds.error().code == ErrorCode::kNotFound) return {};
  if (!holds) return tl::unexpected(holds.error());
  if (*holds) {
    return Fail(ErrorCode::kConflict, "it is not empty: messages have come that it had not reported yet",
                "deleting queue '" + action.queue + "' of virtual host '" + action.vhost + "'");
  }
  return Done(client.DeleteQueue(action.vhost, action.queue, {}));
}

Result<void> Perform(const Client& client, const Action& action) {
  switch (action.kind) {
    case ActionKind::kDeclareDeadLetterExchange: return DeclareExchange(client, action, "headers");
    case ActionKind::kDeclareDrainExchange: return DeclareExchange(client, action, "direct");
    case ActionKind::kDeclareShardExchange:
      return Done(client.PutExchange(ShardExchange(action.vhost, action.exchange)));
    case ActionKind::kBindExchange:
      return Done(client.PutExchangeBinding(action.vhost, action.exchange, action.queue, action.routing_key));
    case ActionKind::kUnbindExchange:
      return Done(client.DeleteExchangeBinding(action.vhost, action.exchange, action.queue, action.routing_key,
                                               action.arguments));
    case ActionKind::kDeleteShardExchange: return Done(client.DeleteUnusedExchange(action.vhost, action.exchange));
    case ActionKind::kDeclareShard: return DeclareOnItsNode(client, action);
    case ActionKind::kMarkDraining:
      return Done(client.PutBinding(action.vhost, kDrainExchange, action.queue, action.routing_key));
    case ActionKind::kUnbindShard:
      return Done(
          client.DeleteBinding(action.vhost, action.exchange, action.queue, action.routing_key, action.arguments));
    case ActionKind::kBindShard:
      return Done(client.PutBinding(action.vhost, action.exchange, action.queue, action.routing_key));
    case ActionKind::kUnmarkDraining:
      return Done(client.DeleteBinding(action.vhost, kDrainExchange, action.queue, action.routing_key,
                                       nlohmann::json::object()));
    case ActionKind::kDeleteShard:
      if (action.declare_as.type == QueueType::kQuorum) return DeleteQuorumShard(client, action);
      return Done(client.DeleteQueue(action.vhost, action.queue, {.empty = true, .unused = true}));
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
