// Which key a shard's binding has, and which bindings of the exchange are somebody else's.
//
// New shards take the key of the stream's bound ones where that differs from the target: all shards of
// a stream have one weight, and re-weighting the old ones is another operation.
#include <fmt/format.h>

#include "shardmgr/plan/naming.h"
#include "shardmgr/plan/stream_planner.h"
#include "shardmgr/plan/weights.h"

namespace warren {
namespace {

struct ObservedWeights {
  std::vector<std::uint64_t> foreign;
  std::map<std::uint64_t, std::size_t> own;  ///< Weight -> number of bindings.
};

ObservedWeights ObserveWeights(const StreamContext& context) {
  ObservedWeights observed;
  for (const Binding* binding : context.vhost.BindingsFrom(context.plan.exchange)) {
    const auto weight = ParseWeight(binding->routing_key);
    if (!weight) continue;
    if (binding->to_queue && ParseShardName(binding->destination, context.plan.exchange)) {
      ++observed.own[*weight];
    } else {
      observed.foreign.push_back(*weight);
    }
  }
  return observed;
}

/// The weight most of the stream's bindings have (of equals the smallest).
std::uint64_t CommonestWeight(const std::map<std::uint64_t, std::size_t>& own) {
  const auto most =
      std::max_element(own.begin(), own.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most->first;
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
  choice.key_matters = true;
  const StreamSpec& spec = context.spec();
  const auto wanted = ParseWeight(spec.routing_key);
  if (!wanted) {
    Block(context.plan, "InvalidRoutingKey",
          fmt::format("stream definition '{}' has routing-key \"{}\"; on exchange '{}' of type {} it is the weight: an "
                      "integer of at least 1 in a string, as in \"1234\"",
                      spec.definition, spec.routing_key, context.plan.exchange, kConsistentHash));
    return choice;
  }
  const ObservedWeights observed = ObserveWeights(context);
  const std::uint64_t target = *wanted / CommonDivisor({*wanted}, observed.foreign);
  const std::uint64_t bind = observed.own.empty() ? target : CommonestWeight(observed.own);
  if (target > kMaxBoundWeight) RefuseLargeWeight(context, target, !observed.foreign.empty());
  choice.target_key = std::to_string(target);
  choice.bind_key = std::to_string(bind);
  return choice;
}

}  // namespace

BindingChoice ChooseBinding(StreamContext& context) {
  if (context.exchange.type == kConsistentHash) return ChooseWeight(context);
  if (context.exchange.type == kRandom) return {};
  return {context.spec().routing_key, context.spec().routing_key, false};
}

}  // namespace warren
