// The shards of a stream: those wanted, index-major over the nodes, and those that are there without
// being wanted.
#include <fmt/format.h>

#include <tuple>

#include "policies/json.h"
#include "shardmgr/plan/naming.h"
#include "shardmgr/plan/stream_planner.h"

namespace warren {
namespace {

using KeysByQueue = std::map<std::string_view, std::vector<std::string_view>>;

KeysByQueue CollectKeys(const StreamContext& context) {
  KeysByQueue keys;
  for (const Binding* binding : context.vhost.BindingsFrom(context.plan.exchange)) {
    if (binding->to_queue) keys[binding->destination].push_back(binding->routing_key);
  }
  for (auto& [queue, of_queue] : keys) std::sort(of_queue.begin(), of_queue.end());
  return keys;
}

void AddDifference(std::string& differences, std::string_view what, std::string_view is, std::string_view wanted) {
  differences += fmt::format("{}{} is {}, wanted {}", differences.empty() ? "" : "; ", what, is, wanted);
}

std::string_view Word(bool value) { return value ? "true" : "false"; }
std::string_view Word(QueueType type) { return type == QueueType::kQuorum ? "quorum" : "classic"; }

/// Where the queue is not what the template says; empty when it is. Arguments beyond the template's count, too:
/// a declare with the template's alone would be refused (AMQP 406).
std::string Differences(const Queue& queue, const QueueTemplate& wanted) {
  std::string differences;
  if (!queue.type.empty() && queue.type != Word(wanted.type)) {
    AddDifference(differences, "type", queue.type, Word(wanted.type));
  }
  if (queue.durable != wanted.durable) AddDifference(differences, "durable", Word(queue.durable), Word(wanted.durable));
  if (queue.auto_delete) AddDifference(differences, "auto-delete", "true", "false");
  if (queue.exclusive) AddDifference(differences, "exclusive", "true", "false");
  for (const auto& [argument, value] : wanted.arguments.items()) {
    if (queue.arguments.is_object() && queue.arguments.contains(argument)) {
      const nlohmann::json& is = queue.arguments[argument];
      if (is != value) AddDifference(differences, "argument " + argument, JsonForMessage(is), JsonForMessage(value));
    } else {
      AddDifference(differences, "argument " + argument, "not set", JsonForMessage(value));
    }
  }
  if (!queue.arguments.is_object()) return differences;
  for (const auto& [argument, value] : queue.arguments.items()) {
    if (argument == "x-queue-type" || wanted.arguments.contains(argument)) continue;
    AddDifference(differences, "argument " + argument, JsonForMessage(value), "not set");
  }
  return differences;
}

bool IsDown(const Queue& queue) { return queue.state == "down" || queue.state == "stopped"; }

void SetState(Shard& shard, ShardState state, std::string detail = {}) {
  shard.state = state;
  shard.detail = std::move(detail);
}

/// State of a wanted shard whose queue is there.
void JudgeQueue(const StreamContext& context, const Queue& queue, const QueueTemplate& wanted, Shard& shard) {
  const std::string_view unplaceable = context.cluster.WhyNotPlaceable(shard.node);
  const bool node_down = !context.cluster.nodes().at(shard.node)->running;
  const bool elsewhere = !queue.node.empty() && queue.node != shard.node;
  if (IsDown(queue) || (node_down && !elsewhere)) {
    SetState(shard, ShardState::kDown,
             node_down ? fmt::format("node {} is down", shard.node) : fmt::format("the queue is {}", queue.state));
  } else if (std::string differences = Differences(queue, wanted); !differences.empty()) {
    SetState(shard, ShardState::kConflict, std::move(differences));
  } else if (elsewhere) {
    SetState(shard, ShardState::kMisplaced, fmt::format("the queue is on {}", queue.node));
  } else if (shard.bound) {
    SetState(shard, ShardState::kActive);
  } else if (!unplaceable.empty()) {
    SetState(shard, ShardState::kDown, fmt::format("node {} {}", shard.node, unplaceable));
  } else {
    SetState(shard, ShardState::kDeclared, "not bound yet");
  }
}

/// A shard of that name with all that was observed of it; its state is not judged.
Shard ObserveShard(const StreamContext& context, const KeysByQueue& keys, std::string_view node, int index) {
  Shard shard;
  shard.queue = ShardName(context.plan.exchange, node, index);
  shard.node = node;
  shard.index = index;
  if (const auto bound = keys.find(shard.queue); bound != keys.end()) {
    shard.bound = true;
    shard.bound_key = bound->second.front();
  }
  if (const Queue* queue = context.vhost.FindQueue(shard.queue)) {
    shard.observed_node = queue->node;
    shard.ready = queue->ready;
    shard.unacked = queue->unacked;
    shard.consumers = queue->consumers;
    shard.publish_per_second = queue->publish_per_second;
    shard.deliver_per_second = queue->deliver_per_second;
  }
  return shard;
}

void AddWantedShards(StreamContext& context, const BindingChoice& binding, const KeysByQueue& keys) {
  const QueueTemplate wanted = CompleteTemplate(context.spec());
  for (int index = 0; index < context.spec().shards_per_node; ++index) {
    for (const auto& [node, unused] : context.cluster.nodes()) {
      Shard shard = ObserveShard(context, keys, node, index);
      shard.wanted_key = context.spec().routing_key;
      shard.reduced_key = binding.target_key;
      if (const Queue* queue = context.vhost.FindQueue(shard.queue)) {
        JudgeQueue(context, *queue, wanted, shard);
      } else if (const std::string_view why = context.cluster.WhyNotPlaceable(node); !why.empty()) {
        SetState(shard, ShardState::kDown, fmt::format("node {} {}", node, why));
      } else {
        SetState(shard, ShardState::kMissing, "not declared yet");
      }
      context.plan.shards.push_back(std::move(shard));
    }
  }
}

/// "stream: a - b - n - 0" is a shard of exchange 'a' on a node 'b - n', or of exchange 'a - b' on 'n'. Where
/// the longer exchange is there, the queue is the longer one's.
bool BelongsToLongerExchange(const StreamContext& context, std::string_view node) {
  constexpr std::string_view kSeparator = " - ";
  for (std::size_t at = node.find(kSeparator); at != std::string_view::npos; at = node.find(kSeparator, at + 1)) {
    if (context.vhost.FindExchange(fmt::format("{}{}{}", context.plan.exchange, kSeparator, node.substr(0, at)))) {
      return true;
    }
  }
  return false;
}

void AddSurplusShards(StreamContext& context, const KeysByQueue& keys) {
  const std::string prefix = ShardNamePrefix(context.plan.exchange);
  const auto& queues = context.vhost.queues;
  for (auto queue = queues.lower_bound(prefix); queue != queues.end() && queue->first.starts_with(prefix); ++queue) {
    const auto parts = ParseShardName(queue->first, context.plan.exchange);
    if (!parts) continue;
    const bool known_node = context.cluster.nodes().contains(parts->node);
    if (known_node && parts->index < context.spec().shards_per_node) continue;
    if (!known_node && BelongsToLongerExchange(context, parts->node)) continue;
    Shard shard = ObserveShard(context, keys, parts->node, parts->index);
    SetState(shard, ShardState::kSurplus,
             known_node ? fmt::format("shards-per-node is {}", context.spec().shards_per_node)
                        : fmt::format("node {} is not in the cluster any more", parts->node));
    context.plan.shards.push_back(std::move(shard));
  }
}

}  // namespace

void FindShards(StreamContext& context, const BindingChoice& binding) {
  const KeysByQueue keys = CollectKeys(context);
  AddWantedShards(context, binding, keys);
  AddSurplusShards(context, keys);
  std::sort(context.plan.shards.begin(), context.plan.shards.end(),
            [](const Shard& a, const Shard& b) { return std::tie(a.index, a.node) < std::tie(b.index, b.node); });
}

}  // namespace warren
