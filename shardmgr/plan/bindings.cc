// Which key a shard's binding has, and which bindings of the exchange are somebody else's.
//
#include <fmt/format.h>

#include "shardmgr/plan/naming.h"
#include "shardmgr/plan/stream_planner.h"
#include "shardmgr/plan/weights.h"

namespace warren {
namespace {

/// Weights of bindings that are not this stream's.
std::vector<std::uint64_t> ForeignWeights(const StreamContext& context) {
  std::vector<std::uint64_t> foreign;
  for (const Binding* binding : context.vhost.BindingsFrom(context.plan.exchange)) {
    const auto weight = ParseWeight(binding->routing_key);
    if (!weight) continue;
    const auto shard = ParseShardQueueName(binding->destination);
    if (!shard || shard->exchange != context.plan.exchange) foreign.push_back(*weight);
  }
  return foreign;
}

void RefuseLargeWeight(StreamContext& context, std::uint64_t weight, bool beside_foreign) {
  Block(context.plan, "WeightTooLarge",
        fmt::format("routing-key \"{}\" comes to weight {}, more than {}: {}", context.spec().routing_key, weight,
                    kMaxBoundWeight,
                    beside_foreign ? "the exchange has bindings that are not this stream's, beside which weights "
                                     "cannot be "
                                     "reduced; remove those or use a smaller routing-key"
                                   : "use a smaller routing-key"));
}

BindingChoice ChooseWeight(StreamContext& context) {
  BindingChoice choice;
  choice.key_is_weight = choice.key_is_read = true;
  const StreamSpec& spec = context.spec();
  const auto wanted = ParseWeight(spec.routing_key);
  if (!wanted) {
    Block(context.plan, "InvalidRoutingKey",
          fmt::format("stream definition '{}' has routing-key \"{}\"; on exchange '{}' of type {} it is the weight: an "
                      "integer of at least 1 in a string, as in \"1234\"",
                      spec.definition, spec.routing_key, context.plan.exchange, kConsistentHash));
    return choice;
  }
  const std::vector<std::uint64_t> foreign = ForeignWeights(context);
  const std::uint64_t weight = *wanted / CommonDivisor({*wanted}, foreign);
  if (weight > kMaxBoundWeight) RefuseLargeWeight(context, weight, !foreign.empty());
  choice.key = std::to_string(weight);
  return choice;
}

}  // namespace

BindingChoice ChooseBinding(StreamContext& context) {
  if (context.exchange.type == kConsistentHash) return ChooseWeight(context);
  if (context.exchange.type == kRandom) return {};
  return {context.spec().routing_key, false, true};
}

}  // namespace warren
