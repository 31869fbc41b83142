// What a StreamPlan comes to in one word, and the words for its parts.
#include "shardmgr/plan/plan.h"
#include "shardmgr/plan/stream_planner.h"

namespace warren {
namespace {

bool Any(const StreamPlan& plan, std::initializer_list<ShardState> states, bool wanted_alone = false) {
  return std::any_of(plan.shards.begin(), plan.shards.end(), [&](const Shard& shard) {
    const bool counts = shard.wanted || !wanted_alone;
    return counts && std::find(states.begin(), states.end(), shard.state) != states.end();
  });
}

/// A queue of the stream that gets messages now.
bool Serves(const Shard& shard) {
  return shard.bound && shard.state != ShardState::kDown && shard.state != ShardState::kMissing;
}

}  // namespace

bool StreamPlan::ready() const {
  return spec.has_value() && !Blocked(*this) && actions.empty() && Any(*this, {ShardState::kActive}) &&
         !Any(*this,
              {ShardState::kMissing, ShardState::kDeclared, ShardState::kOutdated, ShardState::kMisplaced,
               ShardState::kConflict, ShardState::kDraining},
              true);
}

std::string_view StreamPlan::state() const {
  if (orphaned()) return "orphaned";
  if (!spec || Blocked(*this)) return "not-ready";
  if (!actions.empty() || Any(*this, {ShardState::kMissing, ShardState::kDeclared, ShardState::kOutdated})) {
    return "progressing";
  }
  const bool degraded = std::any_of(conditions.begin(), conditions.end(), [](const Condition& condition) {
    return condition.type == ConditionType::kDegraded;
  });
  if (!degraded && Any(*this, {ShardState::kDraining})) return "progressing";
  if (ready()) return degraded ? "degraded" : "ready";
  return std::any_of(shards.begin(), shards.end(), Serves) ? "degraded" : "not-ready";
}

std::string_view Name(ShardState state) {
  switch (state) {
    case ShardState::kMissing: return "missing";
    case ShardState::kDeclared: return "declared";
    case ShardState::kActive: return "active";
    case ShardState::kDown: return "down";
    case ShardState::kMisplaced: return "misplaced";
    case ShardState::kOutdated: return "outdated";
    case ShardState::kDraining: return "draining";
    case ShardState::kRetained: return "retained";
    case ShardState::kOrphaned: return "orphaned";
    case ShardState::kConflict: return "conflict";
  }
  return "unknown";
}

std::string_view Name(ConditionType type) {
  switch (type) {
    case ConditionType::kReady: return "ready";
    case ConditionType::kProgressing: return "progressing";
    case ConditionType::kDegraded: return "degraded";
  }
  return "unknown";
}

std::string_view Name(ActionKind kind) {
  switch (kind) {
    case ActionKind::kDeclareShard: return "declare-shard";
    case ActionKind::kBindShard: return "bind-shard";
    case ActionKind::kDeclareShardExchange: return "declare-shard-exchange";
    case ActionKind::kBindExchange: return "bind-exchange";
    case ActionKind::kUnbindExchange: return "unbind-exchange";
    case ActionKind::kDeleteShardExchange: return "delete-shard-exchange";
    case ActionKind::kDeclareDeadLetterExchange: return "declare-dead-letter-exchange";
    case ActionKind::kDeclareDrainExchange: return "declare-drain-exchange";
    case ActionKind::kMarkDraining: return "mark-draining";
    case ActionKind::kUnbindShard: return "unbind-shard";
    case ActionKind::kUnmarkDraining: return "unmark-draining";
    case ActionKind::kDeleteShard: return "delete-shard";
  }
  return "unknown";
}

}  // namespace warren
