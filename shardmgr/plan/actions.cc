// From shards to steps: the dead-letter exchange, then all declares, then all binds, each index-major
// over the nodes (the order `shards` already has).
#include <fmt/format.h>

#include "policies/json.h"
#include "shardmgr/plan/stream_planner.h"

namespace warren {
namespace {

Action MakeAction(const StreamContext& context, ActionKind kind, const Shard& shard) {
  Action action;
  action.kind = kind;
  action.vhost = context.plan.vhost;
  action.exchange = context.plan.exchange;
  action.queue = shard.queue;
  action.node = shard.node;
  return action;
}

/// Each stream declares it for itself, so that its actions are complete without those of others; doing it
/// twice does no harm.
bool NeedsDeadLetterExchange(const StreamContext& context) {
  return context.spec().http && !context.cluster.placeable().empty() &&
         context.vhost.FindExchange(kDeadLetterExchange) == nullptr;
}

bool Blocked(const StreamPlan& plan) {
  return std::any_of(plan.conditions.begin(), plan.conditions.end(), [](const Condition& c) { return c.blocks; });
}

}  // namespace

std::size_t PlanActions(StreamContext& context, const BindingChoice& binding, std::size_t budget) {
  if (Blocked(context.plan)) return 0;
  std::vector<Action>& actions = context.plan.actions;
  if (NeedsDeadLetterExchange(context)) {
    Action action;
    action.kind = ActionKind::kDeclareDeadLetterExchange;
    action.vhost = context.plan.vhost;
    action.exchange = kDeadLetterExchange;
    action.node = *context.cluster.placeable().begin();
    actions.push_back(std::move(action));
  }
  const QueueTemplate declare_as = CompleteTemplate(context.spec());
  for (const Shard& shard : context.plan.shards) {
    if (shard.state != ShardState::kMissing) continue;
    actions.push_back(MakeAction(context, ActionKind::kDeclareShard, shard));
    actions.back().declare_as = declare_as;
  }
  for (const Shard& shard : context.plan.shards) {
    const bool wanted = shard.state == ShardState::kMissing || shard.state == ShardState::kDeclared;
    if (!wanted || shard.bound) continue;
    actions.push_back(MakeAction(context, ActionKind::kBindShard, shard));
    actions.back().routing_key = binding.bind_key;
  }
  if (actions.size() <= budget) return 0;
  const std::size_t left_out = actions.size() - budget;
  actions.resize(budget);
  return left_out;
}

std::string Action::ToString() const {
  const std::string in_vhost = vhost == "/" ? "" : fmt::format(" in vhost '{}'", vhost);
  switch (kind) {
    case ActionKind::kDeclareShard:
      return fmt::format("declare queue '{}'{} on {} ({}, {}{})", queue, in_vhost, node,
                         declare_as.type == QueueType::kQuorum ? "quorum" : "classic",
                         declare_as.durable ? "durable" : "transient",
                         declare_as.arguments.empty() ? "" : ", " + JsonForMessage(declare_as.arguments, 200));
    case ActionKind::kBindShard:
      return fmt::format("bind queue '{}' to exchange '{}'{} with routing key '{}'", queue, exchange, in_vhost,
                         routing_key);
    case ActionKind::kDeclareDeadLetterExchange:
      return fmt::format("declare exchange '{}'{} (headers, durable)", exchange, in_vhost);
  }
  return {};
}

}  // namespace warren
