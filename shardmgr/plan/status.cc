// What a StreamPlan comes to in one word, and the words for its parts.
#include "shardmgr/plan/plan.h"

namespace warren {
namespace {

bool Blocked(const StreamPlan& plan) {
  return std::any_of(plan.conditions.begin(), plan.conditions.end(), [](const Condition& c) { return c.blocks; });
}

bool Any(const StreamPlan& plan, ShardState state) {
  return std::any_of(plan.shards.begin(), plan.shards.end(), [state](const Shard& s) { return s.state == state; });
}

/// A queue of the stream that gets messages now.
bool Serves(const Shard& shard) {
  return shard.state == ShardState::kActive ||
         (shard.bound && (shard.state == ShardState::kMisplaced || shard.state == ShardState::kConflict));
}

}  // namespace

bool StreamPlan::ready() const {
  return spec.has_value() && !Blocked(*this) && actions.empty() && Any(*this, ShardState::kActive) &&
         !Any(*this, ShardState::kMissing) && !Any(*this, ShardState::kDeclared) &&
         !Any(*this, ShardState::kMisplaced) && !Any(*this, ShardState::kConflict);
}

std::string_view StreamPlan::state() const {
  if (!spec || Blocked(*this)) return "not-ready";
  if (!actions.empty() || Any(*this, ShardState::kMissing) || Any(*this, ShardState::kDeclared)) return "progressing";
  const bool degraded = std::any_of(conditions.begin(), conditions.end(), [](const Condition& condition) {
    return condition.type == ConditionType::kDegraded;
  });
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
    case ShardState::kSurplus: return "surplus";
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
    case ActionKind::kDeclareDeadLetterExchange: return "declare-dead-letter-exchange";
  }
  return "unknown";
}

}  // namespace warren
