// See digest.h.
#include "coordinator/digest.h"

#include <algorithm>

namespace warren::coordinator {

Lines ActionLines(const Plan& plan) {
  Lines lines;
  for (const StreamPlan& stream : plan.streams) {
    for (const Action& action : stream.actions) lines[{stream.vhost, stream.exchange}].push_back(action.ToString());
  }
  return lines;
}

Plan Without(Plan plan, const Lines& failed) {
  const Lines lines = ActionLines(plan);
  for (StreamPlan& stream : plan.streams) {
    const StreamName name{stream.vhost, stream.exchange};
    const auto before = failed.find(name);
    if (before != failed.end() && lines.contains(name) && lines.at(name) == before->second) stream.actions.clear();
  }
  return plan;
}

std::string Summary(const StreamOutcome& outcome) {
  std::map<ActionKind, int> counts;
  for (const ActionOutcome& action : outcome.actions) counts[action.kind] += action.attempted && action.result ? 1 : 0;
  std::string text;
  for (const auto& [kind, count] : counts) {
    if (count > 0) text += (text.empty() ? "" : ", ") + std::string(Name(kind)) + " " + std::to_string(count);
  }
  return text;
}

bool Did(const StreamOutcome& outcome, ActionKind kind, const std::string& queue) {
  return std::any_of(outcome.actions.begin(), outcome.actions.end(), [&](const ActionOutcome& action) {
    return action.kind == kind && action.exchange == outcome.exchange && action.queue == queue && action.attempted &&
           action.result;
  });
}

std::vector<std::string> Rebounds(const StreamOutcome& outcome) {
  std::vector<std::string> queues;
  for (const ActionOutcome& action : outcome.actions) {
    const bool to_queue = action.kind == ActionKind::kBindShard;
    if (!to_queue && action.kind != ActionKind::kBindExchange) continue;
    const ActionKind undone = to_queue ? ActionKind::kUnbindShard : ActionKind::kUnbindExchange;
    if (action.exchange == outcome.exchange && Did(outcome, action.kind, action.queue) &&
        Did(outcome, undone, action.queue))
      queues.push_back(action.queue);
  }
  return queues;
}

Drains DrainsOf(const Plan& plan) {
  Drains drains;
  for (const StreamPlan& stream : plan.streams) {
    for (const Shard& shard : stream.shards) {
      if (shard.state != ShardState::kDraining) continue;
      drains.any = true;
      drains.unknown = drains.unknown || !shard.ready || !shard.unacked || !shard.consumers;
    }
  }
  return drains;
}

}  // namespace warren::coordinator
