// Sorting queues into streams, and streams by name.
#include "proxy/gateway/stream_map.h"

#include <algorithm>
#include <tuple>

#include "shardmgr/plan/naming.h"
#include "shardmgr/plan/plan.h"

namespace warren::gateway {
namespace {

using NameView = std::pair<std::string_view, std::string_view>;

/// Queues that get messages by way of an exchange: what comes to a queue's own name is not the stream's.
std::set<NameView> FedQueues(const std::vector<Binding>& bindings) {
  std::set<NameView> fed;
  for (const Binding& binding : bindings) {
    if (!binding.to_queue || binding.source.empty() || binding.source == kDrainExchange) continue;
    fed.emplace(binding.vhost, binding.destination);
  }
  return fed;
}

SeenShard ShardOf(const Queue& queue, const std::set<NameView>& fed) {
  SeenShard shard;
  shard.queue = queue.name;
  shard.node = queue.node;
  shard.up = queue.state != "down" && queue.state != "stopped";
  shard.in_service = fed.contains({queue.vhost, queue.name});
  if (queue.ready && queue.unacked) shard.messages = *queue.ready + *queue.unacked;
  shard.consumers = queue.consumers;
  return shard;
}

/// "shard.logs" -> "logs"; empty: it has none.
std::string_view ShortName(std::string_view exchange) {
  const std::size_t dot = exchange.find('.');
  return dot == std::string_view::npos ? std::string_view() : exchange.substr(dot + 1);
}

}  // namespace

StreamMap::StreamMap(const Topology& seen) {
  const std::set<NameView> fed = FedQueues(seen.bindings);
  std::map<Key, SeenStream> found;
  std::set<Key, Less> ordinary;
  for (const Queue& queue : seen.queues) {
    const auto parts = ParseShardQueueName(queue.name);
    if (!parts || IsReservedExchange(parts->exchange)) {
      ordinary.emplace(queue.vhost, queue.name);
      continue;
    }
    SeenStream& stream = found[{queue.vhost, parts->exchange}];
    stream.shards.push_back(ShardOf(queue, fed));
  }
  for (auto& [key, stream] : found) {
    std::sort(stream.shards.begin(), stream.shards.end(),
              [](const SeenShard& a, const SeenShard& b) { return a.queue < b.queue; });
    std::tie(stream.vhost, stream.exchange) = key;
    by_exchange_.emplace(key, streams_.size());
    streams_.push_back(std::move(stream));
  }
  NameStreams(ordinary);
}

void StreamMap::NameStreams(const std::set<Key, Less>& taken) {
  std::set<Key, Less> ambiguous;
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    const SeenStream& stream = streams_[i];
    names_.emplace(stream.vhost, stream.exchange);
    const Key name(stream.vhost, ShortName(stream.exchange));
    if (name.second.empty()) continue;
    names_.insert(name);
    if (by_exchange_.contains(name) || taken.contains(name)) continue;
    if (!by_name_.emplace(name, i).second) ambiguous.insert(name);
  }
  for (const Key& name : ambiguous) by_name_.erase(name);
  for (const auto& [name, i] : by_exchange_) {
    if (!taken.contains(name)) by_name_.emplace(name, i);
  }
}

const SeenStream* StreamMap::Find(std::string_view vhost, std::string_view name) const {
  const auto found = by_name_.find(NameView(vhost, name));
  return found == by_name_.end() ? nullptr : &streams_[found->second];
}

const SeenStream* StreamMap::OfExchange(std::string_view vhost, std::string_view exchange) const {
  const auto found = by_exchange_.find(NameView(vhost, exchange));
  return found == by_exchange_.end() ? nullptr : &streams_[found->second];
}

const SeenShard* StreamMap::FindShard(std::string_view vhost, std::string_view queue) const {
  const auto parts = ParseShardQueueName(queue);
  const SeenStream* stream = parts ? OfExchange(vhost, parts->exchange) : nullptr;
  return stream == nullptr ? nullptr : stream->Find(queue);
}

std::string StreamMap::NodeOf(std::string_view vhost, std::string_view queue) const {
  const SeenShard* shard = FindShard(vhost, queue);
  return shard == nullptr ? std::string() : shard->node;
}

bool StreamMap::Concerns(std::string_view vhost, std::string_view queue) const {
  return IsShardName(queue) || names_.contains(NameView(vhost, queue));
}

const SeenShard* SeenStream::Find(std::string_view queue) const {
  const auto found = std::lower_bound(shards.begin(), shards.end(), queue,
                                      [](const SeenShard& shard, std::string_view name) { return shard.queue < name; });
  return found == shards.end() || found->queue != queue ? nullptr : &*found;
}

}  // namespace warren::gateway
