// Which share of the keys goes to another shard when a plan is carried out, by playing it through.
//
// x-consistent-hash: Lamping and Veach's jump hash over buckets in the order of binding, a bucket for each
// unit of weight; unbinding closes the gap, so what was bound later moves down. The order is not in the
// management API, so the plan is played for the order in which Warren binds and for its reverse.
// x-modulus-hash: hash modulo the number of shards.
#include <numeric>

#include "shardmgr/plan/stream_planner.h"
#include "shardmgr/plan/weights.h"

namespace warren {
namespace {

constexpr int kSamples = 2'000;
constexpr std::uint64_t kMostBuckets = 200'000;

struct RingEntry {
  std::string queue;
  std::uint64_t weight = 0;
};
using Ring = std::vector<RingEntry>;

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

std::uint64_t Buckets(const Ring& ring) {
  return std::accumulate(ring.begin(), ring.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const RingEntry& entry) { return sum + entry.weight; });
}

const std::string& OwnerOf(const Ring& ring, std::uint64_t bucket) {
  for (const RingEntry& entry : ring) {
    if (bucket < entry.weight) return entry.queue;
    bucket -= entry.weight;
  }
  return ring.back().queue;
}

double MovedShare(const Ring& before, const Ring& after) {
  const std::uint64_t buckets_before = Buckets(before);
  const std::uint64_t buckets_after = Buckets(after);
  if (buckets_before == 0 || buckets_after == 0) return buckets_before == buckets_after ? 0 : 1;
  int moved = 0;
  for (int i = 0; i < kSamples; ++i) {
    const std::uint64_t key = static_cast<std::uint64_t>(i) * 0x9E3779B97F4A7C15ULL + 0xD1B54A32D192ED03ULL;
    moved += OwnerOf(before, JumpHash(key, buckets_before)) != OwnerOf(after, JumpHash(key, buckets_after)) ? 1 : 0;
  }
  return static_cast<double>(moved) / kSamples;
}

void Play(const std::vector<Action>& actions, Ring& ring) {
  for (const Action& action : actions) {
    const auto same = [&](const RingEntry& entry) { return entry.queue == action.queue; };
    if (action.kind == ActionKind::kUnbindShard) {
      std::erase_if(ring, same);
    } else if (action.kind == ActionKind::kBindShard && std::none_of(ring.begin(), ring.end(), same)) {
      ring.push_back({action.queue, ParseWeight(action.routing_key).value_or(0)});
    }
  }
}

MovedKeys PlayBothOrders(const std::vector<Action>& actions, Ring ring) {
  MovedKeys moved{1, 0};
  for (int order = 0; order < 2; ++order) {
    Ring after = ring;
    Play(actions, after);
    const double share = MovedShare(ring, after);
    moved.least = std::min(moved.least, share);
    moved.most = std::max(moved.most, share);
    std::reverse(ring.begin(), ring.end());
  }
  return moved;
}

/// Of hash values below lcm(before, after), min(before, after) leave the same remainder by both.
MovedKeys ModulusShare(std::uint64_t before, std::uint64_t after) {
  if (before == after) return {};
  if (before == 0) return {};  // There are no keys yet.
  if (after == 0) return {1, 1};
  const double stay = static_cast<double>(std::min(before, after)) / static_cast<double>(std::lcm(before, after));
  return {1 - stay, 1};  // More where the list is in another order than before.
}

bool TouchesBindings(const Action& action) {
  return action.kind == ActionKind::kBindShard || action.kind == ActionKind::kUnbindShard;
}

}  // namespace

void ForecastMovedKeys(StreamContext& context) {
  const std::vector<Action>& actions = context.plan.actions;
  if (context.exchange_gone || context.exchange.type == kRandom) return;
  if (std::none_of(actions.begin(), actions.end(), TouchesBindings)) return;
  Ring ring;
  for (const Candidate& candidate : context.candidates) {
    if (!candidate.Serves()) continue;
    ring.push_back({candidate.shard.queue, ParseWeight(candidate.shard.bound_key).value_or(0)});
  }
  if (context.exchange.type == kModulusHash) {
    Ring after = ring;
    Play(actions, after);
    context.plan.moved_keys = ModulusShare(ring.size(), after.size());
  } else if (ring.empty()) {
    context.plan.moved_keys = MovedKeys{};  // There are no keys yet.
  } else if (Buckets(ring) <= kMostBuckets) {
    context.plan.moved_keys = PlayBothOrders(actions, std::move(ring));
  }
}

}  // namespace warren
