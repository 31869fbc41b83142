// What is wrong with the binding of a shard: too many, another key, or one to which the exchange routes
// nothing.
//
// A consistent-hash exchange forgets a queue's place in its ring when the queue was bound twice and one
// binding is removed; the binding that is left is listed, and gets nothing (rabbitmq-server #9641). Two kinds
// of evidence show it: the removal was seen; or the shard's counter of messages stands still while those of
// all its siblings rise, and either it rose before or the siblings get their messages evenly (a few keys
// leave a shard empty quite normally, but not evenly). No message is ever published to find out.
#include "shardmgr/plan/stream_planner.h"

namespace warren {
namespace {

constexpr std::uint64_t kSiblingMessages = 200;       // Each sibling must have got so many.
constexpr std::size_t kEvenSiblings = 3;              // So many, and the most of them got at most
constexpr double kEvenRatio = 1.5;                    // so many times what the least of them got.
constexpr std::int64_t kShortestEvidenceMs = 20'000;  // Counters are statistics of up to ten seconds ago.

/// Messages since the epoch began.
std::uint64_t Published(const Candidate& candidate) {
  return candidate.queue->published.value_or(0) - candidate.history->published_at_epoch.value_or(0);
}

bool Comparable(const StreamContext& context, const Candidate& candidate) {
  return candidate.queue != nullptr && !candidate.down && candidate.history != nullptr &&
         candidate.history->bound_since_ms <= context.history.epoch_ms() &&
         candidate.queue->published.value_or(0) >= candidate.history->published_at_epoch.value_or(0);
}

/// Shards that get nothing while every other gets plenty; none when more than half of them do.
std::vector<Candidate*> FlatShards(StreamContext& context) {
  if (context.cluster.observed_at_ms() - context.history.epoch_ms() < kShortestEvidenceMs) return {};
  std::vector<Candidate*> flat;
  std::vector<std::uint64_t> rising;
  for (Candidate& candidate : context.candidates) {
    if (!candidate.in_service() || !Comparable(context, candidate)) continue;
    const std::uint64_t published = Published(candidate);
    if (published > 0 && published < kSiblingMessages) return {};
    if (published == 0) {
      flat.push_back(&candidate);
    } else {
      rising.push_back(published);
    }
  }
  if (flat.size() > rising.size() || rising.empty()) return {};
  const auto [least, most] = std::minmax_element(rising.begin(), rising.end());
  const bool even =
      rising.size() >= kEvenSiblings && static_cast<double>(*most) <= kEvenRatio * static_cast<double>(*least);
  // Once: a shard that still gets nothing after it was bound anew simply has no keys.
  std::erase_if(flat, [&](const Candidate* candidate) {
    return candidate->history->rebound_at_ms != 0 || !(even || candidate->history->has_risen);
  });
  return flat;
}

void FindHollow(StreamContext& context) {
  const BindingSource place{context.plan.exchange, !context.stable()};
  for (Candidate& candidate : context.candidates) {
    candidate.hollow =
        !candidate.bindings.empty() && candidate.history != nullptr && candidate.history->place_lost_on == place;
  }
  for (Candidate* candidate : FlatShards(context)) candidate->hollow = true;
}

/// On a ring, a marked shard that is bound was being bound anew, and perhaps one of two bindings is gone already.
Repair RepairOfBinding(const BindingChoice& binding, const Candidate& candidate) {
  if (candidate.hollow || (binding.key_is_weight && !candidate.markers.empty())) return Repair::kEmptyPlace;
  if (candidate.bindings.size() > 1) return Repair::kDoubled;
  if (binding.key_is_read && candidate.shard.bound_key != binding.key) return Repair::kKey;
  return Repair::kNone;
}

}  // namespace

void FindRepairs(StreamContext& context, const BindingChoice& binding) {
  if (binding.key_is_weight) FindHollow(context);
  for (Candidate& candidate : context.candidates) {
    const ShardState state = candidate.shard.state;
    const bool stays = state == ShardState::kActive || state == ShardState::kMisplaced;
    if (!candidate.wanted || candidate.bindings.empty() || !stays || candidate.repair != Repair::kNone) continue;
    candidate.repair = RepairOfBinding(binding, candidate);
  }
}

}  // namespace warren
