// See assign.h. Both sharing out shards among consumers and idle consumers among shards is levelling out (level.h).
#include "shardmgr/plan/assign.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <string_view>

#include "shardmgr/plan/level.h"

namespace warren {
namespace {

using Indices = std::vector<std::size_t>;

template <class T, class Name>
Indices ByName(const std::vector<T>& list, const Name& name) {
  Indices order(list.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return name(list[a]) < name(list[b]); });
  return order;
}

/// One call of Assign. Shards and consumers are numbered by name from here on.
class Assigner {
 public:
  Assigner(const std::vector<ServableShard>& shards, const std::vector<ShardConsumer>& consumers)
      : given_(consumers.size()) {
    for (const std::size_t i : ByName(shards, [](const ServableShard& s) { return std::string_view(s.queue); }))
      shards_.push_back(&shards[i]);
    order_ = ByName(consumers, [](const ShardConsumer& c) { return std::string_view(c.instance); });
    for (const std::size_t i : order_) consumers_.push_back(&consumers[i]);
    for (std::size_t shard = 0; shard < shards_.size(); ++shard) numbers_.emplace(shards_[shard]->queue, shard);
    for (std::size_t c = 0; c < consumers_.size(); ++c) at_node_[consumers_[c]->node].push_back(c);
    consumers_of_.resize(shards_.size());
    loads_.resize(consumers_.size());
    others_.resize(consumers_.size());
  }

  std::vector<ShardShare> Run() && {
    GiveLocal();
    ShareOutUncovered();
    GiveToIdle();
    for (std::size_t c = 0; c < consumers_.size(); ++c) given_[order_[c]] = ShareOf(c);
    return std::move(given_);
  }

 private:
  /// Numbers of the shards that the consumer had, of those that there are.
  Indices Had(std::size_t consumer) const {
    Indices had;
    for (const std::string& queue : consumers_[consumer]->had) {
      if (const auto found = numbers_.find(queue); found != numbers_.end()) had.push_back(found->second);
    }
    return had;
  }

  void GiveLocal() {
    for (std::size_t shard = 0; shard < shards_.size(); ++shard) {
      const auto here = at_node_.find(shards_[shard]->node);
      if (shards_[shard]->node.empty() || here == at_node_.end()) {
        uncovered_.push_back(shard);
        continue;
      }
      local_[shards_[shard]->node].push_back(shard);
      consumers_of_[shard] = here->second.size();
    }
    for (const auto& [node, shards] : local_) {
      for (const std::size_t consumer : at_node_[node]) loads_[consumer] = shards.size();
    }
  }

  void ShareOutUncovered() {
    std::vector<Indices> had_by(shards_.size());
    for (std::size_t c = 0; c < consumers_.size(); ++c) {
      for (const std::size_t shard : Had(c)) had_by[shard].push_back(c);
    }
    std::vector<Indices> wishes;
    for (const std::size_t shard : uncovered_) wishes.push_back(std::move(had_by[shard]));
    const Indices bins = LevelOut(loads_, wishes);
    for (std::size_t i = 0; i < uncovered_.size(); ++i) {
      if (bins[i] != kNoBin) Give(uncovered_[i], bins[i]);
    }
  }

  void GiveToIdle() {
    Indices idle;
    for (std::size_t c = 0; c < consumers_.size(); ++c) {
      if (loads_[c] == 0) idle.push_back(c);
    }
    if (idle.empty()) return;
    std::vector<Indices> wishes;
    for (const std::size_t consumer : idle) wishes.push_back(Had(consumer));
    const Indices bins = LevelOut(consumers_of_, wishes);
    for (std::size_t i = 0; i < idle.size(); ++i) {
      if (bins[i] != kNoBin) Give(bins[i], idle[i]);
    }
  }

  void Give(std::size_t shard, std::size_t consumer) {
    others_[consumer].push_back(shard);
    ++loads_[consumer];
    ++consumers_of_[shard];
  }

  ShardShare ShareOf(std::size_t consumer) {
    ShardShare share;
    if (const auto local = local_.find(consumers_[consumer]->node); local != local_.end()) {
      for (const std::size_t shard : local->second) share.shards.push_back(shards_[shard]->queue);
    }
    share.local = share.shards.size();
    std::sort(others_[consumer].begin(), others_[consumer].end());
    for (const std::size_t shard : others_[consumer]) share.shards.push_back(shards_[shard]->queue);
    return share;
  }

  std::vector<ShardShare> given_;
  std::vector<const ServableShard*> shards_;
  std::vector<const ShardConsumer*> consumers_;
  Indices order_;                                        ///< Place of each consumer in the argument.
  std::map<std::string_view, std::size_t> numbers_;      ///< Queue -> shard.
  std::map<std::string_view, Indices> at_node_, local_;  ///< Consumers, and shards that have some, of a node.
  Indices uncovered_;
  std::vector<std::size_t> consumers_of_;  ///< Of each shard, how many.
  std::vector<std::size_t> loads_;         ///< Of each consumer, how many shards.
  std::vector<Indices> others_;            ///< Of each consumer, shards that are not local.
};

/// How much a shard needs a consumer.
bool NeedsConsumer(const Shard& shard, bool held, bool counts_are_news) {
  switch (shard.state) {
    case ShardState::kMissing:
    case ShardState::kDown:
    case ShardState::kConflict: return false;
    case ShardState::kDeclared:
      if (shard.wanted) return true;  // It is bound next.
      break;
    default: break;
  }
  if (shard.bound) return true;
  if (shard.ready.value_or(0) + shard.unacked.value_or(0) > 0) return true;
  return held && !(shard.ready && shard.unacked && counts_are_news);
}

}  // namespace

std::vector<ShardShare> Assign(const std::vector<ServableShard>& shards, const std::vector<ShardConsumer>& consumers) {
  return Assigner(shards, consumers).Run();
}

std::vector<ServableShard> ServableShards(const StreamPlan& stream, const std::set<std::string>& held,
                                          std::int64_t observed_at_ms, std::int64_t statistics_interval_ms) {
  std::vector<ServableShard> servable;
  for (const Shard& shard : stream.shards) {
    // What was counted before the unbinding says nothing of what came until then.
    const bool counts_are_news =
        shard.unbound_since_ms > 0 && observed_at_ms - shard.unbound_since_ms >= statistics_interval_ms;
    if (NeedsConsumer(shard, held.contains(shard.queue), counts_are_news))
      servable.push_back({shard.queue, shard.observed_node});
  }
  return servable;
}

}  // namespace warren
