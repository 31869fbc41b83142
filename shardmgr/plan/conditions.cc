// What people have to know about a stream, in sentences; one condition a reason, not one a shard.
#include <fmt/format.h>

#include "shardmgr/plan/naming.h"
#include "shardmgr/plan/stream_planner.h"

namespace warren {
namespace {

constexpr std::size_t kNamesInMessage = 4;

/// "'a', 'b' and 3 more"
std::string List(const std::vector<std::string>& items) {
  const std::size_t shown = std::min(items.size(), kNamesInMessage);
  std::string text =
      fmt::format("{}", fmt::join(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(shown), ", "));
  if (items.size() > shown) text += fmt::format(" and {} more", items.size() - shown);
  return text;
}

std::string Quoted(const Candidate& candidate) { return fmt::format("'{}'", candidate.shard.queue); }
std::string WithDetail(const Candidate& candidate) {
  return fmt::format("'{}' ({})", candidate.shard.queue, candidate.shard.detail);
}

template <class Predicate, class Format>
std::vector<std::string> Collect(const StreamContext& context, Predicate&& predicate, Format&& format) {
  std::vector<std::string> items;
  for (const Candidate& candidate : context.candidates) {
    if (predicate(candidate)) items.push_back(format(candidate));
  }
  return items;
}

auto In(ShardState state) {
  return [state](const Candidate& candidate) { return candidate.shard.state == state; };
}
auto Needs(Repair repair) {
  return [repair](const Candidate& candidate) { return candidate.repair == repair; };
}

void Say(StreamContext& context, ConditionType type, std::string reason, std::string message) {
  context.plan.conditions.push_back({type, std::move(reason), std::move(message), false});
}

/// `text` has one place, for the list of shards; nothing is said when there are none.
void SayOf(StreamContext& context, ConditionType type, std::string reason, std::string_view text,
           const std::vector<std::string>& shards) {
  if (!shards.empty()) Say(context, type, std::move(reason), fmt::format(fmt::runtime(text), List(shards)));
}

/// "node a is down ('…', '…'); node b cannot be reached ('…')"
std::string ListByNode(const StreamContext& context, const std::map<std::string, std::vector<std::string>>& waiting) {
  std::string text;
  for (const auto& [node, shards] : waiting) {
    text += fmt::format("{}node {} {} ({})", text.empty() ? "" : "; ", node, context.cluster.WhyNotPlaceable(node),
                        List(shards));
  }
  return text;
}

void AddDownConditions(StreamContext& context) {
  using ByNode = std::map<std::string, std::vector<std::string>>;
  ByNode down, unavailable;
  std::vector<std::string> alone;
  for (const Candidate& candidate : context.candidates) {
    if (candidate.shard.state != ShardState::kDown) continue;
    const std::string& node = candidate.shard.node;
    const std::string_view why = context.cluster.WhyNotPlaceable(node);
    if (why == "is down") {
      down[node].push_back(Quoted(candidate));
    } else if (why.empty() || candidate.down) {
      alone.push_back(WithDetail(candidate));
    } else {
      unavailable[node].push_back(Quoted(candidate));
    }
  }
  const auto say = [&](const char* reason, const ByNode& nodes) {
    if (nodes.empty()) return;
    Say(context, ConditionType::kDegraded, reason, "shards wait for their node: " + ListByNode(context, nodes));
  };
  say("NodeDown", down);
  say("NodeUnavailable", unavailable);
  SayOf(context, ConditionType::kDegraded, "QueueDown", "queues are down: {}", alone);
}

/// "3 ready, 0 unacknowledged, 1 consumer: …": what is in a draining shard, and what it waits for.
std::string WithCounts(const StreamContext& context, const Candidate& candidate) {
  const Queue& queue = *candidate.queue;
  const auto count = [](const std::optional<std::uint64_t>& n) { return n ? std::to_string(*n) : "an unknown number"; };
  std::string waits;
  if (candidate.bound()) {
    waits =
        context.plan.actions.empty() ? "it stays bound: the exchange keeps one shard at least" : "it is unbound next";
  } else if (!candidate.others.empty()) {
    waits = fmt::format("exchange '{}' still feeds it", candidate.others.front()->source);
  } else if (queue.ready.value_or(0) > 0 && queue.consumers == 0U) {
    waits = "nobody consumes it";
  } else if (queue.ready.value_or(0) > 0) {
    waits = "it is being consumed";
  } else if (queue.unacked.value_or(0) > 0) {
    waits = "deliveries wait for their acknowledgement";
  } else if (queue.consumers.value_or(0) > 0) {
    waits = "it is empty; its consumers have to leave";
  } else {
    waits = "it is deleted once it is seen empty twice";
  }
  return fmt::format("'{}' ({}; {} ready, {} unacknowledged, {} consumers: {})", candidate.shard.queue,
                     candidate.shard.detail, count(queue.ready), count(queue.unacked), count(queue.consumers), waits);
}

/// Whether there is something in it, and nothing has changed for long.
bool Stalled(const StreamContext& context, const Candidate& candidate) {
  if (!candidate.bound() && !candidate.others.empty()) return true;
  if (candidate.bound() || candidate.history == nullptr || candidate.history->unbound_since_ms == 0) return false;
  if (candidate.history->empty_since_ms > 0) return false;
  return context.cluster.observed_at_ms() - candidate.history->progress_at_ms >= context.limits.stall_after_ms;
}

void AddDrainConditions(StreamContext& context) {
  const auto say = [&](const Candidate& candidate) { return WithCounts(context, candidate); };
  const auto draining = In(ShardState::kDraining);
  const auto stalled = [&](const Candidate& c) { return draining(c) && Stalled(context, c); };
  const auto moving = [&](const Candidate& c) { return draining(c) && !Stalled(context, c); };
  // A shard that has to stay for now although nobody wants it: no other one serves.
  const auto stuck = [&](const Candidate& c) { return draining(c) && c.bound() && context.plan.actions.empty(); };
  SayOf(context, ConditionType::kProgressing, "Draining", "shards are being drained: {}",
        Collect(
            context, [&](const Candidate& c) { return moving(c) && !stuck(c); }, say));
  SayOf(context, ConditionType::kDegraded, "DrainStalled", "drains stand still: {}", Collect(context, stalled, say));
  SayOf(context, ConditionType::kDegraded, "LastShard",
        "shards that are not wanted stay bound, since the exchange has no other that serves: {}",
        Collect(context, stuck, WithDetail));
  SayOf(context, ConditionType::kReady, "Retained",
        context.limits.never_delete ? "deleting is turned off, so these shards are kept unbound: {}"
                                    : "these shards are kept unbound, as on-remove says: {}",
        Collect(context, In(ShardState::kRetained), WithDetail));
}

void AddTemplateConditions(StreamContext& context) {
  const auto outdated = Collect(context, In(ShardState::kOutdated), WithDetail);
  if (context.limits.never_delete) {
    SayOf(
        context, ConditionType::kDegraded, "DeletionOff",
        "these shards have another template than the definition, and stay as they are since deleting is turned off: {}",
        outdated);
  } else {
    SayOf(context, ConditionType::kProgressing, "Rolling",
          "the definition's template is another one than that of these shards, which are declared again one after the "
          "other: {}",
          outdated);
  }
}

/// Queues of the plugin's style, or places of such, that take their share of the messages, where the stream's own are
/// of Warren's.
void AddForeignStyle(StreamContext& context) {
  if (!context.plan.spec || context.style() == NameStyle::kSharding) return;
  std::set<std::string> queues;
  for (const Binding* binding : context.vhost.BindingsFrom(context.plan.exchange)) {
    if (ParseShardName(binding->destination, context.plan.exchange, NameStyle::kSharding)) {
      queues.insert(fmt::format("'{}'", binding->destination));
    }
  }
  SayOf(context, ConditionType::kDegraded, "ShardingQueues",
        "queues of the rabbitmq_sharding plugin are bound to the exchange and get their share of the messages: {}; set "
        "names to \"sharding\" to look after them, or unbind them and have them consumed",
        {queues.begin(), queues.end()});
}

void AddStateConditions(StreamContext& context) {
  SayOf(context, ConditionType::kDegraded, "QueueConflict",
        "queues are there that are not as the definition says, and neither bound nor marked as Warren's; they are left "
        "alone: {}; delete such a queue, or change the definition to what it is",
        Collect(context, In(ShardState::kConflict), WithDetail));
  SayOf(context, ConditionType::kDegraded, "Misplaced", "shards are not on the node in their name: {}",
        Collect(context, In(ShardState::kMisplaced), WithDetail));
  AddTemplateConditions(context);
  SayOf(
      context, ConditionType::kDegraded, "Orphaned",
      context.exchange_gone
          ? "the exchange is gone, no policy matches its name, and these shards of it are there: {}; give it a policy "
            "again, or remove them with: warrenctl delete_stream"
          : "no policy matches the exchange, and these shards of it are kept as they are: {}; give it a policy again, "
            "or remove them with: warrenctl delete_stream",
      Collect(context, In(ShardState::kOrphaned), Quoted));
}

void AddRepairConditions(StreamContext& context) {
  const auto with_bindings = [](const Candidate& candidate) {
    return fmt::format("'{}' ({} bindings)", candidate.shard.queue, candidate.bindings.size());
  };
  const auto with_key = [](const Candidate& candidate) {
    return fmt::format("'{}' (bound with '{}', wanted '{}')", candidate.shard.queue, candidate.shard.bound_key,
                       candidate.shard.reduced_key);
  };
  SayOf(context, ConditionType::kDegraded, "EmptyRingPlace",
        "shards are bound, and the exchange routes nothing to them; they are bound anew: {}",
        Collect(context, Needs(Repair::kEmptyPlace), Quoted));
  SayOf(context, ConditionType::kDegraded, "DoubleBinding",
        "shards are bound to the exchange more than once, and are bound anew: {}",
        Collect(context, Needs(Repair::kDoubled), with_bindings));
  SayOf(context, ConditionType::kProgressing, "Reweighting",
        "shards are bound with another key than the definition's, and are bound anew one after the other: {}",
        Collect(context, Needs(Repair::kKey), with_key));
  const auto waits = [&](const Candidate& c) {
    const bool recreate = c.repair == Repair::kTemplate || c.repair == Repair::kPlacement;
    return c.repair != Repair::kNone && !(recreate && context.limits.never_delete);
  };
  if (std::none_of(context.candidates.begin(), context.candidates.end(), waits) || !context.plan.actions.empty() ||
      Blocked(context.plan))
    return;
  const auto serving = std::count_if(context.candidates.begin(), context.candidates.end(),
                                     [](const Candidate& c) { return c.Serves(); });
  if (serving > 1) return;
  Say(context, ConditionType::kDegraded, "LoneShard",
      "the stream's only shard that serves cannot be bound anew or declared again without leaving the exchange without "
      "any: raise shards-per-node, at least for a while, or add a node");
}

void AddProgress(StreamContext& context, std::size_t left_out) {
  StreamPlan& plan = context.plan;
  if (left_out > 0) {
    Say(context, ConditionType::kProgressing, "ActionLimit",
        fmt::format("{} actions now and {} in later rounds: a plan holds at most {}", plan.actions.size(), left_out,
                    context.limits.max_actions));
  } else if (!plan.actions.empty()) {
    Say(context, ConditionType::kProgressing, "ActionsPending", fmt::format("{} actions to do", plan.actions.size()));
  }
  if (!plan.ready()) return;
  const auto active = std::count_if(plan.shards.begin(), plan.shards.end(),
                                    [](const Shard& shard) { return shard.state == ShardState::kActive; });
  Say(context, ConditionType::kReady, "ShardsActive", fmt::format("{} shards are active", active));
}

/// When the second look at an empty shard is due.
void FindNextLook(StreamContext& context) {
  for (const Candidate& candidate : context.candidates) {
    const bool counts = candidate.shard.state == ShardState::kDraining && candidate.history != nullptr &&
                        !candidate.bound() && candidate.history->unbound_since_ms > 0;
    if (!counts || context.limits.never_delete || SeenEmptyTwice(context, candidate)) continue;
    const Queue& queue = *candidate.queue;
    if (queue.ready.value_or(1) + queue.unacked.value_or(1) + queue.consumers.value_or(1) > 0) continue;
    const std::int64_t from = candidate.history->empty_since_ms;
    const std::int64_t due = from > 0 ? from + CountsAgeMs(context, candidate) : context.cluster.observed_at_ms();
    auto& next = context.plan.next_look_ms;
    next = next ? std::min(*next, due) : due;
  }
}

}  // namespace

void Summarise(StreamContext& context, std::size_t left_out) {
  for (const Candidate& candidate : context.candidates) context.plan.shards.push_back(candidate.shard);
  if (context.cluster.nodes().empty()) {
    Block(context.plan, "NoNodes", "no node was observed, so there is no place for shards");
  }
  AddDownConditions(context);
  AddDrainConditions(context);
  AddStateConditions(context);
  AddRepairConditions(context);
  AddForeignStyle(context);
  FindNextLook(context);
  AddProgress(context, left_out);
}

}  // namespace warren
