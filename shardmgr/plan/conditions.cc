// What people have to know about a stream, in sentences; one condition a reason, not one a shard.
#include <fmt/format.h>

#include "shardmgr/plan/naming.h"
#include "shardmgr/plan/stream_planner.h"

namespace warren {
namespace {

constexpr std::size_t kNamesInMessage = 4;

/// "'a', 'b' and 3 more"
std::string List(const std::vector<std::string>& items) {
  const std::size_t shown = std::min(items.size(), kNamesInMessage);
  std::string text =
      fmt::format("{}", fmt::join(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(shown), ", "));
  if (items.size() > shown) text += fmt::format(" and {} more", items.size() - shown);
  return text;
}

std::string Quoted(const Shard& shard) { return fmt::format("'{}'", shard.queue); }
std::string WithDetail(const Shard& shard) { return fmt::format("'{}' ({})", shard.queue, shard.detail); }

template <class Predicate, class Format>
std::vector<std::string> Collect(const StreamPlan& plan, Predicate&& predicate, Format&& format) {
  std::vector<std::string> items;
  for (const Shard& shard : plan.shards) {
    if (predicate(shard)) items.push_back(format(shard));
  }
  return items;
}

void Degrade(StreamPlan& plan, std::string reason, std::string message) {
  plan.conditions.push_back({ConditionType::kDegraded, std::move(reason), std::move(message), false});
}

/// One condition for each node that has shards which wait for it.
void AddDownConditions(StreamContext& context) {
  std::map<std::string, std::vector<std::string>> waiting;  // node -> shards
  std::vector<std::string> down_alone;
  for (const Shard& shard : context.plan.shards) {
    if (shard.state != ShardState::kDown) continue;
    if (context.cluster.WhyNotPlaceable(shard.node).empty()) {
      down_alone.push_back(WithDetail(shard));
    } else {
      waiting[shard.node].push_back(Quoted(shard));
    }
  }
  for (const auto& [node, shards] : waiting) {
    const std::string_view why = context.cluster.WhyNotPlaceable(node);
    Degrade(context.plan, why == "is down" ? "NodeDown" : "NodeUnavailable",
            fmt::format("node {} {}; these shards wait for it: {}", node, why, List(shards)));
  }
  if (!down_alone.empty()) {
    Degrade(context.plan, "QueueDown", fmt::format("queues are down though their node runs: {}", List(down_alone)));
  }
}

void AddStateConditions(StreamContext& context) {
  StreamPlan& plan = context.plan;
  const auto in = [](ShardState state) { return [state](const Shard& shard) { return shard.state == state; }; };
  if (const auto shards = Collect(plan, in(ShardState::kConflict), WithDetail); !shards.empty()) {
    Degrade(plan, "QueueConflict",
            fmt::format("queues are there that were declared in another way, and are left alone: {}; change the "
                        "definition "
                        "back, or delete such a queue once it is empty, and it is declared again",
                        List(shards)));
  }
  if (const auto shards = Collect(plan, in(ShardState::kMisplaced), WithDetail); !shards.empty()) {
    Degrade(plan, "Misplaced",
            fmt::format("shards are not on the node in their name, and are left alone: {}; look for a policy with "
                        "queue-master-locator or queue-leader-locator",
                        List(shards)));
  }
  if (const auto shards = Collect(plan, in(ShardState::kSurplus), WithDetail); !shards.empty()) {
    Degrade(plan, "SurplusShards",
            fmt::format("shards are there that are not wanted any more, and are kept: {}; draining them is not "
                        "supported "
                        "yet: have them consumed, then unbind and delete them",
                        List(shards)));
  }
}

void AddBindingConditions(StreamContext& context, const BindingChoice& binding) {
  StreamPlan& plan = context.plan;
  std::map<std::string_view, std::size_t> counts;
  for (const Binding* each : context.vhost.BindingsFrom(plan.exchange)) {
    if (each->to_queue && ParseShardName(each->destination, plan.exchange)) ++counts[each->destination];
  }
  std::vector<std::string> doubled;
  for (const auto& [queue, count] : counts) {
    if (count > 1) doubled.push_back(fmt::format("'{}' ({} bindings)", queue, count));
  }
  if (!doubled.empty()) {
    Degrade(plan, "DoubleBinding",
            fmt::format("queues are bound to the exchange more than once: {}; on a consistent-hash exchange the second "
                        "binding is ignored, and removing either one leaves the queue without messages: remove all "
                        "of them, "
                        "and the shard is bound again once",
                        List(doubled)));
  }
  if (!binding.key_matters || binding.target_key.empty()) return;
  const auto other_weight = [&](const Shard& shard) {
    return shard.bound && shard.state != ShardState::kSurplus && shard.bound_key != binding.target_key;
  };
  const auto shards = Collect(plan, other_weight, [](const Shard& shard) {
    return fmt::format("'{}' (bound with {})", shard.queue, shard.bound_key);
  });
  if (!shards.empty()) {
    Degrade(plan, "ReweightNotSupportedYet",
            fmt::format("routing-key \"{}\" comes to weight {}, and these shards are bound with another: {}; "
                        "changing the "
                        "weight of a bound shard is not supported yet: unbind it, and it is bound again",
                        context.spec().routing_key, binding.target_key, List(shards)));
  }
}

void AddProgress(StreamContext& context, std::size_t left_out) {
  StreamPlan& plan = context.plan;
  if (left_out > 0) {
    plan.conditions.push_back({ConditionType::kProgressing, "ActionLimit",
                               fmt::format("{} actions now and {} in later rounds: a plan holds at most {}",
                                           plan.actions.size(), left_out, context.limits.max_actions)});
  } else if (!plan.actions.empty()) {
    plan.conditions.push_back(
        {ConditionType::kProgressing, "ActionsPending", fmt::format("{} actions to do", plan.actions.size())});
  }
  if (!plan.ready()) return;
  const auto active = std::count_if(plan.shards.begin(), plan.shards.end(),
                                    [](const Shard& shard) { return shard.state == ShardState::kActive; });
  plan.conditions.push_back({ConditionType::kReady, "ShardsActive", fmt::format("{} shards are active", active)});
}

}  // namespace

void Summarise(StreamContext& context, const BindingChoice& binding, std::size_t left_out) {
  if (context.cluster.nodes().empty()) {
    Block(context.plan, "NoNodes", "no node was observed, so there is no place for shards");
  }
  AddDownConditions(context);
  AddStateConditions(context);
  AddBindingConditions(context, binding);
  AddProgress(context, left_out);
}

}  // namespace warren
