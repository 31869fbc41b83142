// What is wrong with the binding of a shard that is active: too many, another key, or one to which the
// exchange routes nothing.
//
// A consistent-hash exchange forgets a queue's place in its ring when the queue was bound twice and one
// binding is removed; the binding that is left is listed, and gets nothing (rabbitmq-server #9641). Two kinds
// of evidence show it: the removal was seen, or the shard's counter of messages stands still while those of
// all its siblings rise. No message is ever published to find out.
#include "shardmgr/plan/stream_planner.h"

namespace warren {
namespace {

constexpr std::uint64_t kSiblingMessages = 100;  // Each sibling must have got so many.
constexpr std::int64_t kShortestEvidenceMs = 10'000;

/// Messages since the epoch began.
std::uint64_t Published(const Candidate& candidate) {
  return candidate.queue->published.value_or(0) - candidate.history->published_at_epoch.value_or(0);
}

bool Comparable(const StreamContext& context, const Candidate& candidate) {
  return candidate.shard.state == ShardState::kActive && candidate.history != nullptr &&
         candidate.history->bound_since_ms <= context.history.epoch_ms() &&
         candidate.queue->published.value_or(0) >= candidate.history->published_at_epoch.value_or(0);
}

/// Shards that get nothing while every other gets plenty; none when more than half of them do.
std::vector<Candidate*> FlatShards(StreamContext& context) {
  if (context.cluster.observed_at_ms() - context.history.epoch_ms() < kShortestEvidenceMs) return {};
  std::vector<Candidate*> flat;
  std::size_t rising = 0;
  for (Candidate& candidate : context.candidates) {
    if (!candidate.bound()) continue;
    if (!Comparable(context, candidate)) return {};
    const std::uint64_t published = Published(candidate);
    if (published == 0) {
      flat.push_back(&candidate);
    } else if (published < kSiblingMessages) {
      return {};
    } else {
      ++rising;
    }
  }
  return flat.size() <= rising ? flat : std::vector<Candidate*>{};
}

/// A marked shard that is bound was being bound anew, and perhaps one of two bindings is gone already.
bool LostItsPlace(const StreamContext& context, const Candidate& candidate) {
  return !candidate.markers.empty() ||
         (candidate.history != nullptr && candidate.history->place_lost_on == context.plan.exchange);
}

Repair RepairOfBinding(const StreamContext& context, const BindingChoice& binding, const Candidate& candidate) {
  if (binding.key_is_weight && LostItsPlace(context, candidate)) return Repair::kEmptyPlace;
  if (candidate.bindings.size() > 1) return Repair::kDoubled;
  if (binding.key_is_read && candidate.shard.bound_key != binding.key) return Repair::kKey;
  return Repair::kNone;
}

}  // namespace

void FindRepairs(StreamContext& context, const BindingChoice& binding) {
  for (Candidate& candidate : context.candidates) {
    if (candidate.shard.state == ShardState::kActive) candidate.repair = RepairOfBinding(context, binding, candidate);
  }
  if (!binding.key_is_weight) return;
  for (Candidate* candidate : FlatShards(context)) {
    // Once: a shard that still gets nothing after it was bound anew simply has no keys.
    if (candidate->history->rebound_at_ms == 0) candidate->repair = Repair::kEmptyPlace;
  }
}

}  // namespace warren
