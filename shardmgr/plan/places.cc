// The places of a stream with stable placement: which it is to have, what is there of them, and which stands in for
// which. Also of streams that are stable no more: their places go. What is done about them: place_actions.cc.
#include <tuple>

#include "shardmgr/plan/chains.h"
#include "shardmgr/plan/naming.h"
#include "shardmgr/plan/stream_planner.h"

namespace warren {
namespace {

constexpr const char* kAlternateArgument = "alternate-exchange";

std::tuple<const int&, const std::string&, const std::string&> Order(const Place& place) {
  return std::tie(place.name.index, place.name.node, place.name.name);
}

bool IsSame(const Exchange& is, const Exchange& wanted) {
  return is.type == wanted.type && is.durable && !is.auto_delete && is.arguments == wanted.arguments;
}

/// Null: it is not there, or it is somebody else's.
const Exchange* FindOwn(const StreamContext& context, const std::string& name) {
  const Exchange* exchange = context.vhost.FindExchange(name);
  return exchange != nullptr && IsShardExchange(*exchange) ? exchange : nullptr;
}

bool IsPlaceOf(const StreamContext& context, const Binding& binding) {
  const auto name = binding.to_queue ? std::nullopt : ParseShardQueueName(binding.destination);
  return name && name->exchange == context.plan.exchange;
}

void ObserveSources(const StreamContext& context, Place& place) {
  const std::string& name = place.name.name;
  if (place.exchange != nullptr) {
    for (const Binding* binding : context.vhost.BindingsFrom(name)) {
      const bool feed = binding->to_queue && binding->destination == name;
      if (feed) place.feeds.push_back(binding);
      place.used_by_others = place.used_by_others || !feed;
    }
  }
  if (place.alternate != nullptr) {
    for (const Binding* binding : context.vhost.BindingsFrom(place.alternate->name)) {
      const bool own = IsPlaceOf(context, *binding);
      if (own) place.onward.push_back(binding);
      place.used_by_others = place.used_by_others || !own;
    }
  }
  std::sort(place.onward.begin(), place.onward.end(), [](const Binding* a, const Binding* b) {
    return std::tie(a->destination, a->routing_key) < std::tie(b->destination, b->routing_key);
  });
}

Place Observe(const StreamContext& context, std::string_view node, int index, NameStyle style) {
  Place place;
  place.name = {ShardName(context.plan.exchange, node, index, style), std::string(node), index};
  const std::string& name = place.name.name;
  place.exchange = FindOwn(context, name);
  place.alternate = FindOwn(context, AlternateName(name));
  ObserveSources(context, place);
  for (const Binding* binding : context.vhost.BindingsToExchange(name)) {
    if (place.exchange == nullptr) break;
    if (binding->source == context.plan.exchange) {
      place.ring.push_back(binding);
    } else {
      place.used_by_others = true;
    }
  }
  return place;
}

/// A node that is drained keeps the places that it has: its keys come back with it.
bool IsWanted(const StreamContext& context, const Place& place, NameStyle style) {
  if (!context.stable() || style != context.style() || place.name.index >= context.spec().shards_per_node) return false;
  if (!context.cluster.nodes().contains(place.name.node)) return false;
  return !context.cluster.IsDrained(place.name.node) || !place.ring.empty();
}

void AddThere(StreamContext& context, NameStyle style, std::set<std::string>& known) {
  const std::string prefix = ShardNamePrefix(context.plan.exchange, style);
  const auto& exchanges = context.vhost.exchanges;
  for (auto at = exchanges.lower_bound(prefix); at != exchanges.end() && at->first.starts_with(prefix); ++at) {
    const std::string_view of = ShardOfAlternate(at->first);
    const std::string name(of.empty() ? at->first : of);
    const auto parts = ParseShardName(name, context.plan.exchange, style);
    if (!parts || !IsShardExchange(*at->second) || !known.insert(name).second) continue;
    Place place = Observe(context, parts->node, parts->index, style);
    place.wanted = IsWanted(context, place, style);
    context.places.push_back(std::move(place));
  }
}

void AddWanted(StreamContext& context, std::set<std::string>& known) {
  for (int index = 0; index < context.spec().shards_per_node; ++index) {
    for (const auto& [node, unused] : context.cluster.nodes()) {
      Place place = Observe(context, node, index, context.style());
      place.wanted = IsWanted(context, place, context.style());
      if (place.wanted && known.insert(place.name.name).second) context.places.push_back(std::move(place));
    }
  }
}

/// Nodes that do not answer here may be gone; if none other has a shard, what the broker says has to do.
void FindTaking(StreamContext& context) {
  bool any = false;
  for (const bool for_sure : {true, false}) {
    for (Place& place : context.places) {
      const Queue* queue = place.feeds.empty() ? nullptr : context.vhost.FindQueue(place.name.name);
      place.takes = queue != nullptr && !IsDown(context.cluster, *queue, place.name.node) &&
                    (!for_sure || context.cluster.Answers(queue->node));
      any = any || (place.takes && place.wanted);
    }
    if (any) return;
  }
}

void AddSubstitutes(StreamContext& context) {
  std::vector<PlaceName> names;
  std::map<std::string, std::vector<std::string>> now;
  for (const Place& place : context.places) {
    if (!place.wanted) continue;
    names.push_back(place.name);
    for (const Binding* binding : place.onward) {
      if (binding->routing_key != kDetourKey) now[place.name.name].push_back(binding->destination);
    }
  }
  const auto substitutes = ChooseSubstitutes(names, now);
  for (Place& place : context.places) {
    const auto found = place.wanted ? substitutes.find(place.name.name) : substitutes.end();
    if (found != substitutes.end()) place.substitute = found->second;
  }
}

}  // namespace

Exchange ShardExchange(std::string vhost, const std::string& name) {
  Exchange exchange;
  exchange.vhost = std::move(vhost);
  exchange.name = name;
  exchange.durable = exchange.internal = true;
  exchange.type = kConsistentHash;
  if (!ShardOfAlternate(name).empty()) return exchange;
  exchange.type = "fanout";
  exchange.arguments[kAlternateArgument] = AlternateName(name);
  return exchange;
}

bool IsShardExchange(const Exchange& exchange) {
  if (ShardOfAlternate(exchange.name).empty() && !IsShardName(exchange.name)) return false;
  return IsSame(exchange, ShardExchange(exchange.vhost, exchange.name));
}

const Place* FindPlace(const StreamContext& context, const Shard& shard) {
  const auto key = std::tie(shard.index, shard.node, shard.queue);
  const auto found = std::lower_bound(context.places.begin(), context.places.end(), key,
                                      [](const Place& place, const auto& of) { return Order(place) < of; });
  return found == context.places.end() || Order(*found) != key ? nullptr : &*found;
}

void FindPlaces(StreamContext& context) {
  std::set<std::string> known;
  AddThere(context, context.style(), known);
  if (context.plan.spec && context.style() != NameStyle::kStream) AddThere(context, NameStyle::kStream, known);
  if (context.stable()) AddWanted(context, known);
  std::sort(context.places.begin(), context.places.end(),
            [](const Place& a, const Place& b) { return Order(a) < Order(b); });
  AddSubstitutes(context);
  FindTaking(context);
  AvoidDeadEnds(context.places);
}

}  // namespace warren
