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

/// One call of AssignShared. Shards and consumers are numbered by name from here on.
class Assigner {
 public:
  Assigner(const std::vector<ServableShard>& shards, const std::vector<ShardConsumer>& consumers,
           const ShareLimits& limits)
      : limits_(limits) {
    for (const std::size_t i : ByName(shards, [](const ServableShard& s) { return std::string_view(s.queue); }))
      shards_.push_back(&shards[i]);
    order_ = ByName(consumers, [](const ShardConsumer& c) { return std::string_view(c.instance); });
    for (const std::size_t i : order_) consumers_.push_back(&consumers[i]);
    for (std::size_t shard = 0; shard < shards_.size(); ++shard) numbers_.emplace(shards_[shard]->queue, shard);
    for (std::size_t c = 0; c < consumers_.size(); ++c) at_node_[consumers_[c]->node].push_back(c);
    consumers_of_.resize(shards_.size());
    loads_.resize(consumers_.size());
    bytes_.resize(consumers_.size());
    others_.resize(consumers_.size());
  }

  Shares Run() && {
    GiveLocal();
    ShareOutUncovered();
    GiveToIdle();
    shares_.given.resize(consumers_.size());
    const auto none = std::make_shared<const QueueNames>();
    for (auto& share : shares_.given) share.local = none;
    for (const auto& [node, here] : local_) {
      const auto names = std::make_shared<const QueueNames>(Names(here.shards));
      for (const std::size_t c : at_node_[node]) shares_.given[order_[c]].local = names;
    }
    for (std::size_t c = 0; c < consumers_.size(); ++c) {
      std::sort(others_[c].begin(), others_[c].end());
      shares_.given[order_[c]].others = Names(others_[c]);
    }
    return std::move(shares_);
  }

 private:
  struct Local {
    Indices shards;
    std::size_t bytes = 0;
  };

  bool Fits(std::size_t names, std::size_t bytes) const { return names <= limits_.names && bytes <= limits_.bytes; }

  QueueNames Names(const Indices& shards) const {
    QueueNames names;
    names.reserve(shards.size());
    for (const std::size_t shard : shards) names.push_back(shards_[shard]->queue);
    return names;
  }

  /// Numbers of those of the queues that are shards.
  Indices Numbers(const QueueNames& queues) const {
    Indices found;
    for (const std::string& queue : queues) {
      if (const auto number = numbers_.find(queue); number != numbers_.end()) found.push_back(number->second);
    }
    return found;
  }

  /// Numbers of the shards that the consumer had, of those that there are. A list that many share is read once.
  Indices Had(std::size_t consumer) {
    const ShardConsumer& it = *consumers_[consumer];
    Indices had = it.had_local ? SharedNumbers(*it.had_local) : Indices();
    const Indices more = Numbers(it.had);
    had.insert(had.end(), more.begin(), more.end());
    return had;
  }

  const Indices& SharedNumbers(const QueueNames& list) {
    const auto [known, first] = shared_.try_emplace(&list);
    if (first) known->second = Numbers(list);
    return known->second;
  }

  void GiveLocal() {
    for (std::size_t shard = 0; shard < shards_.size(); ++shard) {
      const auto here = at_node_.find(shards_[shard]->node);
      const bool served = !shards_[shard]->node.empty() && here != at_node_.end();
      if (!served || !GiveNode(local_[here->first], shard)) {
        uncovered_.push_back(shard);
        continue;
      }
      consumers_of_[shard] = here->second.size();
    }
    for (const auto& [node, here] : local_) {
      for (const std::size_t consumer : at_node_[node]) {
        loads_[consumer] = here.shards.size();
        bytes_[consumer] = here.bytes;
      }
    }
  }

  bool GiveNode(Local& here, std::size_t shard) const {
    const std::size_t bytes = here.bytes + 2 * shards_[shard]->bytes;
    if (!Fits(here.shards.size() + 1, bytes)) return false;
    here.shards.push_back(shard);
    here.bytes = bytes;
    return true;
  }

  void ShareOutUncovered() {
    if (uncovered_.empty()) return;
    std::vector<std::size_t> places(shards_.size(), kNoBin);
    for (std::size_t i = 0; i < uncovered_.size(); ++i) places[uncovered_[i]] = i;
    std::vector<Indices> wishes(uncovered_.size());
    const auto wish = [&](const Indices& had, std::size_t consumer) {
      for (const std::size_t shard : had) {
        if (places[shard] != kNoBin) wishes[places[shard]].push_back(consumer);
      }
    };
    for (std::size_t c = 0; c < consumers_.size(); ++c) {
      if (consumers_[c]->had_local) wish(SharedNumbers(*consumers_[c]->had_local), c);
      wish(Numbers(consumers_[c]->had), c);
    }
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
    const std::size_t bytes = bytes_[consumer] + shards_[shard]->bytes;
    if (!Fits(loads_[consumer] + 1, bytes)) {
      shares_.left_out = true;
      return;
    }
    others_[consumer].push_back(shard);
    ++loads_[consumer];
    bytes_[consumer] = bytes;
    ++consumers_of_[shard];
  }

  const ShareLimits limits_;
  Shares shares_;
  std::vector<const ServableShard*> shards_;
  std::vector<const ShardConsumer*> consumers_;
  Indices order_;                                    ///< Place of each consumer in the argument.
  std::map<std::string_view, std::size_t> numbers_;  ///< Queue -> shard.
  std::map<std::string_view, Indices> at_node_;      ///< Consumers of a node.
  std::map<std::string_view, Local> local_;          ///< Shards of a node that has consumers.
  std::map<const QueueNames*, Indices> shared_;      ///< Of ShardConsumer::had_local.
  Indices uncovered_;
  std::vector<std::size_t> consumers_of_;   ///< Of each shard, how many.
  std::vector<std::size_t> loads_, bytes_;  ///< Of each consumer, how many shards, and what their names take.
  std::vector<Indices> others_;             ///< Of each consumer, shards that are not local.
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

Shares AssignShared(const std::vector<ServableShard>& shards, const std::vector<ShardConsumer>& consumers,
                    const ShareLimits& limits) {
  return Assigner(shards, consumers, limits).Run();
}

std::vector<ShardShare> Assign(const std::vector<ServableShard>& shards, const std::vector<ShardConsumer>& consumers) {
  std::vector<ShardShare> shares;
  shares.reserve(consumers.size());
  for (const SharedShare& share : AssignShared(shards, consumers).given) {
    shares.push_back({*share.local, share.local->size()});
    shares.back().shards.insert(shares.back().shards.end(), share.others.begin(), share.others.end());
  }
  return shares;
}

std::vector<ServableShard> ServableShards(const StreamPlan& stream, const std::set<std::string>& held,
                                          std::int64_t observed_at_ms, std::int64_t statistics_interval_ms) {
  std::vector<ServableShard> servable;
  for (const Shard& shard : stream.shards) {
    // What was counted before the unbinding says nothing of what came until then.
    const bool counts_are_news =
        shard.unbound_since_ms > 0 && observed_at_ms - shard.unbound_since_ms >= statistics_interval_ms;
    if (NeedsConsumer(shard, held.contains(shard.queue), counts_are_news))
      servable.push_back({shard.queue, shard.observed_node, 0});
  }
  return servable;
}

}  // namespace warren
