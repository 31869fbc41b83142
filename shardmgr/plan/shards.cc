// The shards of a stream: those wanted, index-major over the nodes, and those that are there without
// being wanted; the state of each. What is wrong with a bound one is for repairs.cc.
#include <fmt/format.h>

#include <tuple>

#include "shardmgr/plan/naming.h"
#include "shardmgr/plan/stream_planner.h"

namespace warren {
namespace {

void SetState(Candidate& candidate, ShardState state, std::string detail = {}) {
  candidate.shard.state = state;
  candidate.shard.detail = std::move(detail);
}

void ObserveBindings(const StreamContext& context, Candidate& candidate) {
  const Place* place = FindPlace(context, candidate.shard);
  for (const Binding* binding : context.vhost.BindingsTo(candidate.shard.queue)) {
    if (binding->source == context.plan.exchange) {
      (context.stable() ? candidate.strays : candidate.bindings).push_back(binding);
      candidate.direct = true;
    } else if (binding->source == kDrainExchange) {
      candidate.markers.push_back(binding);
    } else if (place == nullptr || binding->source != place->name.name || place->exchange == nullptr) {
      candidate.others.push_back(binding);
    }
  }
  if (place != nullptr) {
    auto& ring = context.stable() ? candidate.bindings : candidate.strays;
    ring.insert(ring.end(), place->ring.begin(), place->ring.end());
    candidate.feeds = place->feeds;
    candidate.has_place = !place->ring.empty();
    candidate.shard.substitute = place->substitute;
  }
  candidate.shard.bound = candidate.bound();
  const auto& shown = candidate.bindings.empty() ? candidate.strays : candidate.bindings;
  if (candidate.bound() && !shown.empty()) candidate.shard.bound_key = shown.front()->routing_key;
  candidate.shard.draining_marked = !candidate.markers.empty();
}

void ObserveQueue(const StreamContext& context, const Queue& queue, Candidate& candidate) {
  Shard& shard = candidate.shard;
  candidate.queue = &queue;
  candidate.history = context.history.Find(context.plan.vhost, queue.name);
  if (candidate.history != nullptr) shard.unbound_since_ms = candidate.history->unbound_since_ms;
  shard.observed_node = queue.node;
  shard.ready = queue.ready;
  shard.unacked = queue.unacked;
  shard.consumers = queue.consumers;
  shard.publish_per_second = queue.publish_per_second;
  shard.deliver_per_second = queue.deliver_per_second;
  candidate.down = IsDown(context.cluster, queue, shard.node);
  candidate.answers = context.cluster.Answers(queue.node);
  if (context.plan.spec) candidate.differences = Differences(queue, CompleteTemplate(context.spec()));
}

Candidate Observe(const StreamContext& context, std::string_view node, int index, NameStyle style) {
  Candidate candidate;
  candidate.shard.queue = ShardName(context.plan.exchange, node, index, style);
  candidate.shard.node = node;
  candidate.shard.index = index;
  ObserveBindings(context, candidate);
  if (const Queue* queue = context.vhost.FindQueue(candidate.shard.queue)) ObserveQueue(context, *queue, candidate);
  return candidate;
}

/// A quorum queue serves its node wherever its leader is, as long as it has a member there.
bool IsElsewhere(const Candidate& candidate) {
  const Queue& queue = *candidate.queue;
  const bool member = std::count(queue.members.begin(), queue.members.end(), candidate.shard.node) > 0;
  return !queue.node.empty() && queue.node != candidate.shard.node && !member;
}

std::string WhyDown(const StreamContext& context, const Candidate& candidate) {
  const std::string& home = candidate.queue->node.empty() ? candidate.shard.node : candidate.queue->node;
  const auto node = context.cluster.nodes().find(home);
  if (node != context.cluster.nodes().end() && !node->second->running) return fmt::format("node {} is down", home);
  return fmt::format("the queue is {}", candidate.queue->state);
}

/// For shards whose keys stay with another one until they are back.
std::string WhoStandsIn(const Candidate& candidate) {
  const bool stands_in = candidate.has_place && !candidate.shard.substitute.empty();
  return stands_in ? fmt::format("; its messages go to '{}'", candidate.shard.substitute) : std::string();
}

/// What, if not chance, puts the queue where it is; empty when nothing is known.
std::string WhatMovesIt(const Candidate& candidate) {
  const Queue& queue = *candidate.queue;
  for (const char* key : {"queue-master-locator", "queue-leader-locator"}) {
    if (!queue.policy_definition.is_object() || !queue.policy_definition.contains(key)) continue;
    const nlohmann::json& locator = queue.policy_definition[key];
    if (locator == "client-local") continue;
    return fmt::format("policy '{}' sets {} {} for it", queue.policy.empty() ? queue.operator_policy : queue.policy,
                       key, locator.dump());
  }
  for (const char* argument : {"x-queue-master-locator", "x-queue-leader-locator"}) {
    if (!queue.arguments.is_object() || !queue.arguments.contains(argument)) continue;
    if (queue.arguments[argument] == "client-local") continue;
    return fmt::format("queue.arguments of its definition has {}", argument);
  }
  if (candidate.history != nullptr && candidate.history->was_on == queue.node) {
    return "it was declared again, and the broker put it there again: see queue_master_locator in rabbitmq.conf";
  }
  return {};
}

void JudgeElsewhere(Candidate& candidate) {
  const std::string where = fmt::format("the queue is on {}", candidate.queue->node);
  if (const std::string mover = WhatMovesIt(candidate); !mover.empty()) {
    SetState(candidate, ShardState::kMisplaced, where + ": " + mover);
  } else if (candidate.bound()) {
    candidate.repair = Repair::kPlacement;
    SetState(candidate, ShardState::kMisplaced, where + "; it waits for its turn to be declared again");
  } else {
    SetState(candidate, ShardState::kDraining, where + "; it is declared again on its node once this one is gone");
  }
}

/// Whether a queue of another make is Warren's own, of an earlier template: it is bound or marked, or was bound before
/// somebody took its binding away or deleted its exchange.
bool IsOwn(const StreamContext& context, const Candidate& candidate) {
  return candidate.bound() || !candidate.markers.empty() ||
         (candidate.history != nullptr && (candidate.history->served.contains(context.plan.exchange) ||
                                           candidate.history->served.contains(candidate.shard.queue)));
}

void JudgeDifferent(const StreamContext& context, Candidate& candidate) {
  if (candidate.bound()) {
    candidate.repair = Repair::kTemplate;
    SetState(candidate, ShardState::kOutdated, candidate.differences);
  } else if (IsOwn(context, candidate)) {
    SetState(candidate, ShardState::kDraining, "it is declared again by the new template: " + candidate.differences);
  } else {
    SetState(candidate, ShardState::kConflict, candidate.differences);
  }
}

/// State of a wanted shard.
void JudgeWanted(const StreamContext& context, Candidate& candidate) {
  const std::string_view unplaceable = context.cluster.WhyNotPlaceable(candidate.shard.node);
  const auto node_why = [&] { return fmt::format("node {} {}", candidate.shard.node, unplaceable); };
  if (candidate.queue == nullptr) {
    return unplaceable.empty() ? SetState(candidate, ShardState::kMissing, "not declared yet")
                               : SetState(candidate, ShardState::kDown, node_why());
  }
  if (candidate.down)
    return SetState(candidate, ShardState::kDown, WhyDown(context, candidate) + WhoStandsIn(candidate));
  if (!candidate.differences.empty()) return JudgeDifferent(context, candidate);
  if (IsElsewhere(candidate)) return JudgeElsewhere(candidate);
  if (candidate.in_service()) {
    const bool led_elsewhere = !candidate.queue->node.empty() && candidate.queue->node != candidate.shard.node;
    return SetState(candidate, ShardState::kActive,
                    led_elsewhere ? fmt::format("its leader is on {}", candidate.queue->node) : std::string());
  }
  return unplaceable.empty() ? SetState(candidate, ShardState::kDeclared, "not bound yet")
                             : SetState(candidate, ShardState::kDown, node_why());
}

/// State of a shard that nobody wants, for the reason given.
void JudgeUnwanted(const StreamContext& context, Candidate& candidate, std::string why) {
  if (candidate.down) return SetState(candidate, ShardState::kDown, why + "; " + WhyDown(context, candidate));
  if (!context.plan.spec && !context.removing) return SetState(candidate, ShardState::kOrphaned, std::move(why));
  // Warren marks a queue of another make before it unbinds it; one that is neither bound nor marked is somebody's.
  const bool stranger = !candidate.differences.empty() && !IsOwn(context, candidate);
  if (stranger) return SetState(candidate, ShardState::kConflict, candidate.differences);
  const bool retain = context.plan.spec && context.spec().on_remove == OnRemove::kRetain;
  const bool keep = retain || context.limits.never_delete;
  SetState(candidate, keep && !candidate.bound() ? ShardState::kRetained : ShardState::kDraining, std::move(why));
}

void AddWantedShards(StreamContext& context, const BindingChoice& binding) {
  for (int index = 0; index < context.spec().shards_per_node; ++index) {
    for (const auto& [node, unused] : context.cluster.nodes()) {
      if (context.cluster.IsDrained(node)) continue;
      Candidate candidate = Observe(context, node, index, context.style());
      candidate.wanted = candidate.shard.wanted = true;
      candidate.shard.wanted_key = context.spec().routing_key;
      candidate.shard.reduced_key = binding.key;
      JudgeWanted(context, candidate);
      context.candidates.push_back(std::move(candidate));
    }
  }
}

/// Why a shard of this name is not wanted; empty when it is.
std::string WhyUnwanted(const StreamContext& context, const ShardNameParts& parts) {
  if (context.removing) return "the stream is being deleted";
  if (!context.plan.spec) return context.exchange_gone ? "its exchange is gone" : "no policy matches its exchange";
  if (context.exchange_gone) return "its exchange is gone";
  if (!context.cluster.nodes().contains(parts.node)) {
    return fmt::format("node {} is not in the cluster any more", parts.node);
  }
  if (context.cluster.IsDrained(parts.node)) return fmt::format("node {} is being drained", parts.node);
  if (parts.index < context.spec().shards_per_node) return {};
  return fmt::format("shards-per-node is {}", context.spec().shards_per_node);
}

/// `take` gets each queue that is there under a shard's name of the exchange in this style.
template <class Take>
void ForEachShardQueue(const StreamContext& context, NameStyle style, Take&& take) {
  const std::string prefix = ShardNamePrefix(context.plan.exchange, style);
  const auto& queues = context.vhost.queues;
  for (auto queue = queues.lower_bound(prefix); queue != queues.end() && queue->first.starts_with(prefix); ++queue) {
    if (const auto parts = ParseShardName(queue->first, context.plan.exchange, style)) take(*parts);
  }
}

void AddUnwantedShards(StreamContext& context) {
  ForEachShardQueue(context, context.style(), [&](const ShardNameParts& parts) {
    std::string why = WhyUnwanted(context, parts);
    if (why.empty()) return;
    Candidate candidate = Observe(context, parts.node, parts.index, context.style());
    JudgeUnwanted(context, candidate, std::move(why));
    context.candidates.push_back(std::move(candidate));
  });
}

/// Those of Warren's own style, after names was changed to "sharding". The other way round they are the plugin's.
void AddShardsOfOwnStyle(StreamContext& context) {
  if (!context.plan.spec || context.style() == NameStyle::kStream) return;
  ForEachShardQueue(context, NameStyle::kStream, [&](const ShardNameParts& parts) {
    Candidate candidate = Observe(context, parts.node, parts.index, NameStyle::kStream);
    JudgeUnwanted(context, candidate, "its definition has names \"sharding\"");
    context.candidates.push_back(std::move(candidate));
  });
}

void SortCandidates(StreamContext& context) {
  std::sort(context.candidates.begin(), context.candidates.end(), [](const Candidate& a, const Candidate& b) {
    return std::tie(a.shard.index, a.shard.node, a.shard.queue) < std::tie(b.shard.index, b.shard.node, b.shard.queue);
  });
}

}  // namespace

bool IsDown(const ClusterIndex& cluster, const Queue& queue, std::string_view node) {
  const auto home = cluster.nodes().find(queue.node.empty() ? node : std::string_view(queue.node));
  const bool node_down = home != cluster.nodes().end() && !home->second->running;
  return queue.state == "down" || queue.state == "stopped" || node_down;
}

void FindShards(StreamContext& context, const BindingChoice& binding) {
  if (context.plan.spec && !context.exchange_gone) AddWantedShards(context, binding);
  AddUnwantedShards(context);
  AddShardsOfOwnStyle(context);
  SortCandidates(context);
}

void ListShards(StreamContext& context) {
  for (const NameStyle style : {NameStyle::kStream, NameStyle::kSharding}) {
    if (style == NameStyle::kSharding && context.style() != style) continue;
    ForEachShardQueue(context, style, [&](const ShardNameParts& parts) {
      Candidate candidate = Observe(context, parts.node, parts.index, style);
      candidate.differences.clear();
      SetState(candidate,
               candidate.down      ? ShardState::kDown
               : candidate.bound() ? ShardState::kActive
                                   : ShardState::kDeclared,
               "kept as it is while the stream cannot be planned");
      context.candidates.push_back(std::move(candidate));
    });
  }
  SortCandidates(context);
}

}  // namespace warren
