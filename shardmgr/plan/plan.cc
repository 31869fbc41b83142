// MakePlan as a whole: match exchanges with policies, plan each stream by itself, share the budget.
#include "shardmgr/plan/plan.h"

#include <fmt/format.h>

#include "shardmgr/plan/naming.h"
#include "shardmgr/plan/stream_planner.h"

namespace warren {
namespace {

/// Resolution said why there is no spec; the stream is shown all the same.
void AddUnresolved(StreamPlan& plan, const policies::Resolution& resolution) {
  const bool missing = resolution.error && resolution.error->code == ErrorCode::kNotFound;
  Block(plan, missing ? "UnknownDefinition" : "InvalidDefinition",
        resolution.error ? resolution.error->ToString() : "the policy gives no definition");
}

StreamPlan PlanStream(const ClusterIndex& cluster, const VhostIndex& vhost, const Exchange& exchange,
                      const policies::Resolution& resolution, const PlanLimits& limits, std::size_t budget) {
  StreamPlan plan;
  plan.vhost = exchange.vhost;
  plan.exchange = exchange.name;
  plan.exchange_type = exchange.type;
  plan.policy = resolution.policy;
  plan.spec = resolution.spec;
  if (!plan.spec) {
    AddUnresolved(plan, resolution);
    return plan;
  }
  StreamContext context{cluster, vhost, exchange, limits, plan};
  if (!CheckExchangeType(context)) return plan;
  CheckSpec(context);
  const BindingChoice binding = ChooseBinding(context);
  FindShards(context, binding);
  const std::size_t left_out = PlanActions(context, binding, budget);
  Summarise(context, binding, left_out);
  return plan;
}

void AddProblems(Plan& plan, const policies::Catalog& wanted, const Topology& observed) {
  for (const Error& problem : wanted.problems()) {
    plan.problems.push_back({ConditionType::kDegraded, "InvalidParameter", problem.ToString()});
  }
  const std::set<std::string_view> vhosts(observed.vhosts.begin(), observed.vhosts.end());
  for (const policies::Policy& policy : wanted.policies()) {
    if (vhosts.contains(policy.vhost)) continue;
    plan.problems.push_back(
        {ConditionType::kDegraded, "UnknownVhost",
         fmt::format("stream policy '{}' ({}) is for vhost '{}', which is not there; add it with: rabbitmqctl "
                     "add_vhost, "
                     "or clear the policy",
                     policy.name, policy.source.empty() ? "unknown source" : policy.source, policy.vhost)});
  }
}

}  // namespace

Plan MakePlan(const policies::Catalog& wanted, const Topology& observed, const PlanLimits& limits) {
  Plan plan;
  plan.observed_at_ms = observed.observed_at_ms;
  AddProblems(plan, wanted, observed);
  const ClusterIndex cluster(observed, limits);
  std::size_t budget = limits.max_actions;
  for (const auto& [vhost_name, vhost] : cluster.vhosts()) {
    for (const auto& [name, exchange] : vhost.exchanges) {
      const auto resolution = wanted.Resolve(vhost_name, name);
      if (!resolution) continue;
      plan.streams.push_back(PlanStream(cluster, vhost, *exchange, *resolution, limits, budget));
      budget -= plan.streams.back().actions.size();
    }
  }
  return plan;
}

std::size_t Plan::action_count() const {
  std::size_t count = 0;
  for (const StreamPlan& stream : streams) count += stream.actions.size();
  return count;
}

}  // namespace warren
