// MakePlan as a whole: match exchanges with policies, plan each stream by itself, share the budget; then the
// shards of exchanges that are gone or that no policy matches any more.
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

class Planner {
 public:
  Planner(const policies::Catalog& wanted, const Topology& observed, const PlanLimits& limits, const History& history)
      : wanted_(wanted),
        limits_(limits),
        history_(history),
        cluster_(observed, limits, wanted.drained_nodes()),
        budget_(limits.max_actions) {}

  std::vector<StreamPlan> Streams() {
    for (const auto& [name, vhost] : cluster_.vhosts()) {
      for (const auto& [exchange_name, exchange] : vhost.exchanges) {
        if (const auto resolution = wanted_.Resolve(name, exchange_name)) Add(vhost, *exchange, &*resolution, false);
      }
      AddLeftBehind(name, vhost);
    }
    std::sort(streams_.begin(), streams_.end(), [](const StreamPlan& a, const StreamPlan& b) {
      return std::tie(a.vhost, a.exchange) < std::tie(b.vhost, b.exchange);
    });
    return std::move(streams_);
  }

 private:
  /// Exchanges that have shards, and are gone or match no policy. One that is not listed and has bindings came after
  /// the exchanges had been read: an observation is several requests, not one moment.
  void AddLeftBehind(std::string_view vhost_name, const VhostIndex& vhost) {
    std::set<std::pair<std::string, NameStyle>> exchanges;
    for (const auto& [queue, unused] : vhost.queues) {
      if (auto name = ParseShardQueueName(queue)) exchanges.emplace(std::move(name->exchange), name->style);
    }
    for (const auto& [exchange, of] : vhost.exchanges) {
      const std::string_view shard = ShardOfAlternate(exchange);
      auto name = ParseShardQueueName(shard.empty() ? exchange : shard);
      if (name && IsShardExchange(*of)) exchanges.emplace(std::move(name->exchange), name->style);
    }
    for (const auto& [name, style] : exchanges) {
      const auto resolution = wanted_.Resolve(vhost_name, name);
      const Exchange* exchange = vhost.FindExchange(name);
      if (exchange != nullptr && resolution) continue;
      if (exchange == nullptr && !vhost.BindingsFrom(name).empty()) continue;
      Exchange gone;
      gone.vhost = vhost_name;
      gone.name = name;
      const Exchange& of = exchange != nullptr ? *exchange : gone;
      const policies::Resolution* by = resolution ? &*resolution : nullptr;
      if (IsOwn(vhost, of, style, by) && !IsPlanned(vhost_name, name)) Add(vhost, of, by, exchange == nullptr, style);
    }
  }

  /// Queues with the plugin's names are Warren's business where a definition says so, or where somebody wants them to
  /// be removed and the plugin does not look after them.
  bool IsOwn(const VhostIndex& vhost, const Exchange& exchange, NameStyle style,
             const policies::Resolution* resolution) const {
    if (style == NameStyle::kStream) return true;
    if (resolution != nullptr) return resolution->spec && resolution->spec->names == NameStyle::kSharding;
    return IsToBeRemoved(exchange) && PluginPolicy(vhost, exchange) == nullptr;
  }

  bool IsToBeRemoved(const Exchange& exchange) const {
    const auto& remove = limits_.remove;
    return std::find(remove.begin(), remove.end(), StreamName{exchange.vhost, exchange.name}) != remove.end();
  }

  bool IsPlanned(std::string_view vhost, std::string_view exchange) const {
    const auto same = [&](const StreamPlan& plan) { return plan.vhost == vhost && plan.exchange == exchange; };
    return !streams_.empty() && same(streams_.back());
  }

  void Add(const VhostIndex& vhost, const Exchange& exchange, const policies::Resolution* resolution, bool gone,
           NameStyle left_behind = NameStyle::kStream) {
    StreamPlan plan;
    plan.vhost = exchange.vhost;
    plan.exchange = exchange.name;
    plan.exchange_type = exchange.type;
    if (resolution != nullptr) {
      plan.policy = resolution->policy;
      plan.spec = resolution->spec;
    }
    if (resolution != nullptr && !plan.spec) AddUnresolved(plan, *resolution);
    Fill(vhost, exchange, gone, left_behind, plan);
    budget_ -= plan.actions.size();
    streams_.push_back(std::move(plan));
  }

  void Fill(const VhostIndex& vhost, const Exchange& exchange, bool gone, NameStyle left_behind, StreamPlan& plan) {
    const bool removing = plan.orphaned() && IsToBeRemoved(exchange);
    StreamContext context{cluster_, vhost, exchange, limits_, history_, plan, gone, removing, left_behind, {}, {}};
    if (Blocked(plan) || (plan.spec && !gone && !CheckExchangeType(context))) {
      FindPlaces(context);
      ListShards(context);
      return Summarise(context, 0);
    }
    BindingChoice binding;
    if (plan.spec && !gone) {
      CheckSpec(context);
      binding = ChooseBinding(context);
    }
    FindPlaces(context);
    FindShards(context, binding);
    FindRepairs(context, binding);
    const std::size_t left_out = PlanActions(context, binding, budget_);
    ForecastMovedKeys(context);
    Summarise(context, left_out);
  }

  const policies::Catalog& wanted_;
  const PlanLimits& limits_;
  const History& history_;
  ClusterIndex cluster_;
  std::size_t budget_;
  std::vector<StreamPlan> streams_;
};

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
                     "add_vhost, or clear the policy",
                     policy.name, policy.source.empty() ? "unknown source" : policy.source, policy.vhost)});
  }
  for (const std::string& node : wanted.drained_nodes()) {
    const auto same = [&](const Node& n) { return n.name == node; };
    if (observed.nodes.empty() || std::any_of(observed.nodes.begin(), observed.nodes.end(), same)) continue;
    plan.problems.push_back(
        {ConditionType::kDegraded, "UnknownNode",
         fmt::format("node '{}' is to be drained, and is not in the cluster; if it is gone for good: "
                     "warrenctl undrain_node '{}'",
                     node, node)});
  }
}

}  // namespace

Plan MakePlan(const policies::Catalog& wanted, const Topology& observed, const PlanLimits& limits,
              const History& history) {
  Plan plan;
  plan.observed_at_ms = observed.observed_at_ms;
  AddProblems(plan, wanted, observed);
  plan.streams = Planner(wanted, observed, limits, history).Streams();
  return plan;
}

std::size_t Plan::action_count() const {
  std::size_t count = 0;
  for (const StreamPlan& stream : streams) count += stream.actions.size();
  return count;
}

std::optional<std::int64_t> Plan::next_look_ms() const {
  std::optional<std::int64_t> next;
  for (const StreamPlan& stream : streams) {
    if (stream.next_look_ms) next = next ? std::min(*next, *stream.next_look_ms) : *stream.next_look_ms;
  }
  return next;
}

}  // namespace warren
