// What makes a stream impossible as a whole, before any shard is looked at.
#include <fmt/format.h>

#include "shardmgr/plan/naming.h"
#include "shardmgr/plan/stream_planner.h"

namespace warren {
namespace {

constexpr std::string_view kDeadLetterExchangeType = "headers";

void RefuseYet(StreamContext& context, std::string_view key, std::string_view value, std::string_view remedy) {
  Block(context.plan, "NotSupportedYet",
        fmt::format("stream definition '{}' has {} \"{}\", which is not supported yet; {}", context.spec().definition,
                    key, value, remedy));
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

void CheckNames(StreamContext& context) {
  for (const auto& [node, unused] : context.cluster.nodes()) {
    const std::string longest = ShardName(context.plan.exchange, node, context.spec().shards_per_node - 1);
    if (longest.size() <= kMaxNameBytes) continue;
    Block(context.plan, "NameTooLong",
          fmt::format("the shard name '{}' has {} bytes; AMQP allows {}: use an exchange with a shorter name", longest,
                      longest.size(), kMaxNameBytes));
    return;
  }
}

}  // namespace

void Block(StreamPlan& plan, std::string reason, std::string message) {
  plan.conditions.push_back({ConditionType::kDegraded, std::move(reason), std::move(message), true});
}

QueueTemplate CompleteTemplate(const StreamSpec& spec) {
  QueueTemplate complete = spec.queue;
  if (spec.http) complete.arguments["x-dead-letter-exchange"] = kDeadLetterExchange;
  return complete;
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
  if (spec.local_username && *spec.local_username != context.limits.own_username) {
    RefuseYet(context, "local-username", *spec.local_username,
              fmt::format("leave it out or give the coordinator's own user, \"{}\"", context.limits.own_username));
  }
  if (spec.placement == Placement::kStable) RefuseYet(context, "placement", "stable", "use \"ring\"");
  if (spec.names == NameStyle::kSharding) RefuseYet(context, "names", "sharding", "use \"stream\"");
  if (spec.queue.type == QueueType::kQuorum && !spec.queue.durable) {
    Block(context.plan, "InvalidDefinition",
          fmt::format("stream definition '{}' has queue.type \"quorum\" and queue.durable false; quorum queues are "
                      "always "
                      "durable",
                      spec.definition));
  }
  if (spec.http) CheckDeadLetterExchange(context);
  CheckNames(context);
}

}  // namespace warren
