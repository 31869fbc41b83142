// Which share of the keys goes to another shard when a plan is carried out, by playing it through.
//
// x-consistent-hash: Lamping and Veach's jump hash over buckets in the order of binding, a bucket for each
// unit of weight; unbinding closes the gap, so what was bound later moves down. The order is not in the
// management API, so the plan is played for the order in which Warren binds and for its reverse.
// With stable placement an entry of the ring is a shard's exchange, and who gets its messages is found along the
// alternate exchanges.
// x-modulus-hash: hash modulo the number of shards.
#include <numeric>

#include "shardmgr/plan/naming.h"
#include "shardmgr/plan/stream_planner.h"
#include "shardmgr/plan/weights.h"

namespace warren {
namespace {

constexpr int kSamples = 2'000;
constexpr std::uint64_t kMostBuckets = 200'000;

struct RingEntry {
  std::string queue;
  std::uint64_t weight = 0;
  bool to_queue = true;  ///< False: to the shard's exchange.
};

/// Where messages go, as far as shards are concerned.
struct Routes {
  std::vector<RingEntry> ring;
  std::set<std::string> fed;                                ///< Shards whose exchange reaches their queue.
  std::map<std::string, std::set<std::string>> alternates;  ///< Alternate exchange -> shards.
};

/// "A Fast, Minimal Memory, Consistent Hash Algorithm", 2014.
std::uint64_t JumpHash(std::uint64_t key, std::uint64_t buckets) {
  std::int64_t bucket = -1;
  std::int64_t next = 0;
  while (next < static_cast<std::int64_t>(buckets)) {
    bucket = next;
    key = key * 2862933555777941757ULL + 1;
    next = static_cast<std::int64_t>(static_cast<double>(bucket + 1) *
                                     (static_cast<double>(1LL << 31) / static_cast<double>((key >> 33) + 1)));
  }
  return static_cast<std::uint64_t>(bucket);
}

std::uint64_t Buckets(const Routes& routes) {
  return std::accumulate(routes.ring.begin(), routes.ring.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const RingEntry& entry) { return sum + entry.weight; });
}

/// The shard whose queue gets what its place gets; empty: none.
std::string Resolve(const Routes& routes, std::string shard) {
  for (std::size_t hops = 0; hops <= routes.alternates.size(); ++hops) {
    if (routes.fed.contains(shard)) return shard;
    const auto next = routes.alternates.find(AlternateName(shard));
    if (next == routes.alternates.end() || next->second.empty()) return {};
    shard = *next->second.begin();
  }
  return {};
}

/// Of each entry of the ring, who gets its messages.
std::vector<std::string> Owners(const Routes& routes) {
  std::vector<std::string> owners;
  for (const RingEntry& entry : routes.ring) {
    owners.push_back(entry.to_queue ? entry.queue : Resolve(routes, entry.queue));
  }
  return owners;
}

const std::string& OwnerOf(const Routes& routes, const std::vector<std::string>& owners, std::uint64_t bucket) {
  for (std::size_t i = 0; i < routes.ring.size(); ++i) {
    if (bucket < routes.ring[i].weight) return owners[i];
    bucket -= routes.ring[i].weight;
  }
  return owners.back();
}

double MovedShare(const Routes& before, const Routes& after) {
  const std::uint64_t buckets_before = Buckets(before);
  const std::uint64_t buckets_after = Buckets(after);
  if (buckets_before == 0 || buckets_after == 0) return buckets_before == buckets_after ? 0 : 1;
  const auto owners_before = Owners(before);
  const auto owners_after = Owners(after);
  int moved = 0;
  for (int i = 0; i < kSamples; ++i) {
    const std::uint64_t key = static_cast<std::uint64_t>(i) * 0x9E3779B97F4A7C15ULL + 0xD1B54A32D192ED03ULL;
    const bool stays = OwnerOf(before, owners_before, JumpHash(key, buckets_before)) ==
                       OwnerOf(after, owners_after, JumpHash(key, buckets_after));
    moved += stays ? 0 : 1;
  }
  return static_cast<double>(moved) / kSamples;
}

/// `exchange`: the stream's.
void Play(const Action& action, const std::string& exchange, Routes& routes) {
  const bool to_queue = action.kind == ActionKind::kBindShard || action.kind == ActionKind::kUnbindShard;
  const bool binds = action.kind == ActionKind::kBindShard || action.kind == ActionKind::kBindExchange;
  const auto same = [&](const RingEntry& entry) { return entry.queue == action.queue && entry.to_queue == to_queue; };
  if (action.exchange == exchange) {
    if (!binds) {
      std::erase_if(routes.ring, same);
    } else if (std::none_of(routes.ring.begin(), routes.ring.end(), same)) {
      routes.ring.push_back({action.queue, ParseWeight(action.routing_key).value_or(0), to_queue});
    }
    return;
  }
  auto& names = to_queue ? routes.fed : routes.alternates[action.exchange];
  if (binds) {
    names.insert(action.queue);
  } else {
    names.erase(action.queue);
  }
}

bool TouchesBindings(const Action& action) {
  return action.kind == ActionKind::kBindShard || action.kind == ActionKind::kUnbindShard ||
         action.kind == ActionKind::kBindExchange || action.kind == ActionKind::kUnbindExchange;
}

void Play(const StreamPlan& plan, Routes& routes) {
  for (const Action& action : plan.actions) {
    if (TouchesBindings(action)) Play(action, plan.exchange, routes);
  }
}

MovedKeys PlayBothOrders(const StreamPlan& plan, Routes routes) {
  MovedKeys moved{1, 0};
  for (int order = 0; order < 2; ++order) {
    Routes after = routes;
    Play(plan, after);
    const double share = MovedShare(routes, after);
    moved.least = std::min(moved.least, share);
    moved.most = std::max(moved.most, share);
    std::reverse(routes.ring.begin(), routes.ring.end());
  }
  return moved;
}

Routes Observed(const StreamContext& context) {
  Routes routes;
  std::set<std::string_view> hollow;
  const auto add = [&](const std::vector<const Binding*>& bindings) {
    if (bindings.empty()) return;
    const Binding& binding = *bindings.front();
    routes.ring.push_back({binding.destination, ParseWeight(binding.routing_key).value_or(0), binding.to_queue});
  };
  for (const Candidate& candidate : context.candidates) {
    if (candidate.hollow) hollow.insert(candidate.shard.queue);
    if (candidate.down || candidate.queue == nullptr) continue;
    if (candidate.direct && !candidate.hollow) add(context.stable() ? candidate.strays : candidate.bindings);
    if (!candidate.feeds.empty()) routes.fed.insert(candidate.shard.queue);
  }
  for (const Place& place : context.places) {
    if (!hollow.contains(place.name.name)) add(place.ring);
    for (const Binding* binding : place.onward) routes.alternates[binding->source].insert(binding->destination);
  }
  return routes;
}

/// Of hash values below lcm(before, after), min(before, after) leave the same remainder by both.
MovedKeys ModulusShare(std::uint64_t before, std::uint64_t after) {
  if (before == after) return {};
  if (before == 0) return {};  // There are no keys yet.
  if (after == 0) return {1, 1};
  const double stay = static_cast<double>(std::min(before, after)) / static_cast<double>(std::lcm(before, after));
  return {1 - stay, 1};  // More where the list is in another order than before.
}

}  // namespace

void ForecastMovedKeys(StreamContext& context) {
  const std::vector<Action>& actions = context.plan.actions;
  if (context.exchange_gone || context.exchange.type == kRandom) return;
  if (std::none_of(actions.begin(), actions.end(), TouchesBindings)) return;
  Routes routes = Observed(context);
  if (context.exchange.type == kModulusHash) {
    Routes after = routes;
    Play(context.plan, after);
    context.plan.moved_keys = ModulusShare(routes.ring.size(), after.ring.size());
  } else if (routes.ring.empty()) {
    context.plan.moved_keys = MovedKeys{};  // There are no keys yet.
  } else if (Buckets(routes) <= kMostBuckets) {
    context.plan.moved_keys = PlayBothOrders(context.plan, std::move(routes));
  }
}

}  // namespace warren
