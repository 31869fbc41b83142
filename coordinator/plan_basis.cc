// See plan_basis.h.
#include "coordinator/plan_basis.h"

#include <algorithm>

#include "policies/names.h"
#include "shardmgr/plan/naming.h"

namespace warren::coordinator {
namespace {

constexpr std::string_view kOwnExchanges = "warren.";

bool IsStream(const PlanBasis& basis, const std::string& vhost, const std::string& exchange) {
  return basis.streams.contains({vhost, exchange}) || basis.catalog.Resolve(vhost, exchange).has_value();
}

/// The part of the cluster that one exchange, new and bound to nothing yet, is planned with.
/// `stable`: its shards' own exchanges are taken as not there. What is known of those of an exchange that had this name
/// may be on its way out, and to declare and bind what is there does no harm.
Topology AroundNew(const Topology& topology, const Exchange& exchange, NameStyle style, bool stable) {
  Topology around;
  around.observed_at_ms = topology.observed_at_ms;
  around.cluster_name = topology.cluster_name;
  around.rabbitmq_version = topology.rabbitmq_version;
  around.vhosts = topology.vhosts;
  around.nodes = topology.nodes;
  around.parameters = topology.parameters;
  around.policies = topology.policies;
  around.exchanges = {exchange};
  const std::string prefix = ShardNamePrefix(exchange.name, style);
  std::set<std::string_view> queues;  // And exchanges that are named so.
  for (const Exchange& own : topology.exchanges) {
    const bool of_shard = own.name.starts_with(prefix);
    if (own.vhost != exchange.vhost || !(of_shard || own.name.starts_with(kOwnExchanges))) continue;
    if (of_shard && stable && IsShardExchange(own)) continue;
    around.exchanges.push_back(own);
    if (of_shard) queues.insert(own.name);
  }
  for (const Queue& queue : topology.queues) {
    if (queue.vhost != exchange.vhost || !queue.name.starts_with(prefix)) continue;
    around.queues.push_back(queue);
    queues.insert(queue.name);
  }
  for (const Binding& binding : topology.bindings) {
    // Of an exchange that had this name, or of its shards'.
    const bool of_before = binding.source == exchange.name || (stable && binding.source.starts_with(prefix));
    if (!queues.empty() && binding.vhost == exchange.vhost && !of_before && queues.contains(binding.destination))
      around.bindings.push_back(binding);
  }
  return around;
}

bool OnlyAdds(const StreamPlan& plan) {
  return std::all_of(plan.actions.begin(), plan.actions.end(), [](const Action& action) {
    return action.kind == ActionKind::kDeclareDeadLetterExchange || action.kind == ActionKind::kDeclareShard ||
           action.kind == ActionKind::kBindShard || action.kind == ActionKind::kUnmarkDraining ||
           action.kind == ActionKind::kDeclareShardExchange || action.kind == ActionKind::kBindExchange;
  });
}

}  // namespace

bool Concerns(const PlanBasis& basis, const ClusterEvent& event) {
  const std::string_view kind = event.kind;
  if (kind.starts_with("queue.")) return IsShardName(event.name);
  if (kind.starts_with("exchange."))
    return IsShardName(event.name) || !ShardOfAlternate(event.name).empty() || IsStream(basis, event.vhost, event.name);
  if (kind.starts_with("binding.")) return IsShardName(event.destination) || IsStream(basis, event.vhost, event.source);
  if (kind.starts_with("parameter.")) return event.component == "global" && policies::IsOurParameter(event.name);
  // Users come and go where an external service knows them: their connections are no news.
  return !kind.starts_with("user.") || kind == "user.created" || kind == "user.deleted";
}

std::optional<StreamPlan> PlanNewExchange(const PlanBasis& basis, const ClusterEvent& created) {
  const auto resolution = basis.catalog.Resolve(created.vhost, created.name);
  if (!resolution || !resolution->spec) return std::nullopt;
  Exchange exchange;
  exchange.vhost = created.vhost;
  exchange.name = created.name;
  exchange.type = created.type;
  exchange.durable = created.durable;
  exchange.auto_delete = created.auto_delete;
  exchange.internal = created.internal;
  Plan plan = MakePlan(
      basis.catalog,
      AroundNew(basis.topology, exchange, resolution->spec->names, resolution->spec->placement == Placement::kStable),
      basis.limits);
  for (StreamPlan& stream : plan.streams) {
    if (stream.vhost != created.vhost || stream.exchange != created.name) continue;
    if (stream.actions.empty() || !OnlyAdds(stream)) return std::nullopt;
    return std::move(stream);
  }
  return std::nullopt;
}

}  // namespace warren::coordinator
