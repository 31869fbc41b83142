// What makes a stream impossible as a whole, before any shard is looked at.
#include <fmt/format.h>

#include "shardmgr/plan/naming.h"
#include "shardmgr/plan/stream_planner.h"

namespace warren {
namespace {

constexpr std::string_view kDeadLetterExchangeType = "headers";

/// Names of shards are Warren's, so what is there under them is a mistake, or of another version.
void CheckStable(StreamContext& context) {
  if (context.exchange.type != kConsistentHash) {
    return Block(context.plan, "PlacementNotPossible",
                 fmt::format("stream definition '{}' has placement \"stable\", which exchange '{}' of type {} cannot "
                             "have: only on {} do keys choose the shard and can be made to stay; use \"ring\"",
                             context.spec().definition, context.plan.exchange, context.exchange.type, kConsistentHash));
  }
  const std::string prefix = ShardNamePrefix(context.plan.exchange, context.style());
  const auto& exchanges = context.vhost.exchanges;
  for (auto at = exchanges.lower_bound(prefix); at != exchanges.end() && at->first.starts_with(prefix); ++at) {
    const std::string_view of = ShardOfAlternate(at->first);
    if (!ParseShardName(of.empty() ? at->first : of, context.plan.exchange, context.style())) continue;
    if (IsShardExchange(*at->second)) continue;
    return Block(
        context.plan, "ShardExchangeMismatch",
        fmt::format("exchange '{}' in vhost '{}' has the name of one that stable placement needs, and is not "
                    "such a one (its type is {}); it is left alone: delete it, and it is declared as it should "
                    "be, or use placement \"ring\"",
                    at->first, context.plan.vhost, at->second->type));
  }
}

void CheckDeadLetterExchange(StreamContext& context) {
  const Exchange* exchange = context.vhost.FindExchange(kDeadLetterExchange);
  if (exchange == nullptr || (exchange->type == kDeadLetterExchangeType && exchange->durable)) return;
  Block(context.plan, "DeadLetterExchangeMismatch",
        fmt::format("exchange '{}' in vhost '{}' is {} {}; shards of HTTP streams need it durable, type {}: delete "
                    "it, and "
                    "it is declared again as it should be",
                    kDeadLetterExchange, context.plan.vhost, exchange->durable ? "durable, type" : "transient, type",
                    exchange->type, kDeadLetterExchangeType));
}

void CheckDrainExchange(StreamContext& context) {
  const Exchange* exchange = context.vhost.FindExchange(kDrainExchange);
  if (exchange == nullptr || exchange->type == "direct") return;
  Block(
      context.plan, "DrainExchangeMismatch",
      fmt::format("exchange '{}' in vhost '{}' has type {}; Warren marks shards with it and needs type direct: delete "
                  "it, and it is declared again when it is needed",
                  kDrainExchange, context.plan.vhost, exchange->type));
}

void CheckUser(StreamContext& context) {
  const auto& user = context.spec().local_username;
  const auto& known = context.limits.known_users;
  if (!user || *user == context.limits.own_username || std::find(known.begin(), known.end(), *user) != known.end()) {
    return;
  }
  Block(context.plan, "UnknownUser",
        fmt::format("stream definition '{}' has local-username \"{}\", whose password is not known here: add it to the "
                    "file of --credentials-file, or leave the key out to declare as \"{}\"",
                    context.spec().definition, *user, context.limits.own_username));
}

/// Two would look after the same queues.
void CheckShardingPlugin(StreamContext& context) {
  if (context.spec().names != NameStyle::kSharding) return;
  const BrokerPolicy* policy = PluginPolicy(context.vhost, context.exchange);
  if (policy == nullptr) return;
  Block(context.plan, "ShardingPluginActive",
        fmt::format("policy '{}' still has the rabbitmq_sharding plugin look after exchange '{}'; its queues are taken "
                    "over once that is gone: rabbitmqctl clear_policy -p '{}' '{}'",
                    policy->name, context.plan.exchange, context.plan.vhost, policy->name));
}

std::string LongestName(const StreamSpec& spec, std::string shard) {
  return spec.placement == Placement::kStable ? AlternateName(shard) : std::move(shard);
}

void CheckNames(StreamContext& context) {
  for (const auto& [node, unused] : context.cluster.nodes()) {
    const std::string longest = LongestName(
        context.spec(), ShardName(context.plan.exchange, node, context.spec().shards_per_node - 1, context.style()));
    if (longest.size() <= kMaxNameBytes) continue;
    Block(context.plan, "NameTooLong",
          fmt::format("the name '{}' has {} bytes; AMQP allows {}: use an exchange with a shorter name", longest,
                      longest.size(), kMaxNameBytes));
    return;
  }
}

}  // namespace

const BrokerPolicy* PluginPolicy(const VhostIndex& vhost, const Exchange& exchange) {
  const BrokerPolicy* policy = vhost.FindPolicy(exchange.policy);
  const bool its =
      policy != nullptr && policy->definition.is_object() && policy->definition.contains("shards-per-node");
  return its ? policy : nullptr;
}

void Block(StreamPlan& plan, std::string reason, std::string message) {
  plan.conditions.push_back({ConditionType::kDegraded, std::move(reason), std::move(message), true});
}

bool Blocked(const StreamPlan& plan) {
  return std::any_of(plan.conditions.begin(), plan.conditions.end(), [](const Condition& c) { return c.blocks; });
}

bool CheckExchangeType(StreamContext& context) {
  const std::string& type = context.exchange.type;
  if (type == kConsistentHash || type == kRandom || type == kModulusHash) return true;
  Block(context.plan, "UnsupportedExchangeType",
        fmt::format("exchange '{}' has type {}; streams need {}, {} or {}, since on other types shards would be "
                    "copies: "
                    "declare it again with one of these, or narrow the pattern of policy '{}'",
                    context.plan.exchange, type, kConsistentHash, kRandom, kModulusHash, context.plan.policy));
  return false;
}

void CheckSpec(StreamContext& context) {
  const StreamSpec& spec = context.spec();
  CheckUser(context);
  if (spec.placement == Placement::kStable) CheckStable(context);
  if (spec.queue.type == QueueType::kQuorum && !spec.queue.durable) {
    Block(context.plan, "InvalidDefinition",
          fmt::format("stream definition '{}' has queue.type \"quorum\" and queue.durable false; quorum queues are "
                      "always durable",
                      spec.definition));
  }
  if (spec.http) CheckDeadLetterExchange(context);
  CheckDrainExchange(context);
  CheckShardingPlugin(context);
  CheckNames(context);
}

}  // namespace warren
