// What every assignment keeps, over random clusters whose consumers join, leave and change node, from fixed seeds.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "shardmgr/plan/assign.h"

namespace warren {
namespace {

constexpr unsigned kSeeds = 500;
constexpr int kSteps = 12;

class AssignedGroup {
 public:
  explicit AssignedGroup(unsigned seed) : random_(seed) {
    const std::size_t nodes = 1 + Below(6);
    for (std::size_t i = 0; i < nodes; ++i) nodes_.push_back("node" + std::to_string(i));
    for (std::size_t i = Below(20); i > 0; --i)
      shards_.push_back({"q" + std::to_string(i), Once(12) ? std::string() : nodes_[Below(nodes)]});
  }

  void Join() { consumers_.push_back({"w" + std::to_string(random_()), nodes_[Below(nodes_.size())], {}}); }

  void Change() {
    const std::size_t what = Below(4);
    if (consumers_.empty() || what <= 1) return Join();
    const std::size_t who = Below(consumers_.size());
    if (what == 2) consumers_.erase(consumers_.begin() + static_cast<std::ptrdiff_t>(who));
    if (what == 3) consumers_[who].node = nodes_[Below(nodes_.size())];
  }

  std::vector<ShardShare> Shares() const { return Assign(shards_, consumers_); }

  void Take(const std::vector<ShardShare>& shares) {
    for (std::size_t i = 0; i < consumers_.size(); ++i) consumers_[i].had = shares[i].shards;
  }

  void Shuffle() {
    std::shuffle(consumers_.begin(), consumers_.end(), random_);
    std::shuffle(shards_.begin(), shards_.end(), random_);
  }

  std::map<std::string, ShardShare> ByInstance() const {
    const auto shares = Shares();
    std::map<std::string, ShardShare> by_instance;
    for (std::size_t i = 0; i < consumers_.size(); ++i) by_instance.emplace(consumers_[i].instance, shares[i]);
    return by_instance;
  }

  const std::vector<ServableShard>& shards() const { return shards_; }
  const std::vector<ShardConsumer>& consumers() const { return consumers_; }

 private:
  std::size_t Below(std::size_t n) { return random_() % n; }
  bool Once(std::size_t in) { return Below(in) == 0; }

  std::mt19937 random_;
  std::vector<std::string> nodes_;
  std::vector<ServableShard> shards_;
  std::vector<ShardConsumer> consumers_;
};

std::map<std::string, std::string> NodesOf(const AssignedGroup& group) {
  std::map<std::string, std::string> nodes;
  for (const ServableShard& shard : group.shards()) nodes[shard.queue] = shard.node;
  return nodes;
}

/// Each shard has a consumer, each consumer all of its node's shards, none a shard twice.
void ExpectCovered(const AssignedGroup& group, const std::vector<ShardShare>& shares) {
  const auto nodes = NodesOf(group);
  std::set<std::string> covered;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    const std::set<std::string> queues(shares[i].shards.begin(), shares[i].shards.end());
    ASSERT_EQ(queues.size(), shares[i].shards.size());
    covered.insert(queues.begin(), queues.end());
    const std::string& home = group.consumers()[i].node;
    for (const auto& [queue, node] : nodes) ASSERT_TRUE(node != home || queues.contains(queue)) << queue;
    for (std::size_t place = 0; place < shares[i].shards.size(); ++place)
      ASSERT_EQ(nodes.at(shares[i].shards[place]) == home, place < shares[i].local);
    ASSERT_TRUE(!queues.empty() || nodes.empty());
  }
  ASSERT_TRUE(covered.size() == nodes.size() || shares.empty());
}

/// Within a node the counts differ by one at most; whoever borrows has at most one more than whoever could as well.
void ExpectLevel(const AssignedGroup& group, const std::vector<ShardShare>& shares) {
  std::set<std::string> near;
  for (const ShardConsumer& consumer : group.consumers()) near.insert(consumer.node);
  std::size_t uncovered = 0;
  for (const ServableShard& shard : group.shards()) uncovered += near.contains(shard.node) ? 0 : 1;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    for (std::size_t j = 0; j < shares.size(); ++j) {
      const std::size_t mine = shares[i].shards.size(), its = shares[j].shards.size();
      if (group.consumers()[i].node == group.consumers()[j].node) {
        ASSERT_LE(mine, its + 1);
      }
      if (uncovered > 0 && mine > shares[i].local) {
        ASSERT_LE(mine, its + 1);
      }
    }
  }
}

/// Whether a shard has a consumer of another node beside any other.
bool Shared(const std::vector<ShardShare>& shares, const AssignedGroup& group) {
  const auto nodes = NodesOf(group);
  std::map<std::string, int> consumers, strangers;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    for (const std::string& queue : shares[i].shards) {
      if (!nodes.contains(queue)) continue;
      ++consumers[queue];
      strangers[queue] += nodes.at(queue) == group.consumers()[i].node ? 0 : 1;
    }
  }
  return std::any_of(strangers.begin(), strangers.end(),
                     [&](const auto& entry) { return entry.second > 0 && consumers[entry.first] > 1; });
}

/// Nobody loses a borrowed shard while he gets another one in its place.
void ExpectStill(const AssignedGroup& group, const std::vector<ShardShare>& shares) {
  std::set<std::string> near;
  for (const ShardConsumer& consumer : group.consumers()) near.insert(consumer.node);
  const auto nodes = NodesOf(group);
  std::vector<ShardShare> had_now;
  for (const ShardConsumer& consumer : group.consumers()) had_now.push_back({consumer.had, 0});
  for (std::size_t i = 0; i < shares.size(); ++i) {
    const auto& had = group.consumers()[i].had;
    const auto& has = shares[i].shards;
    const auto is_in = [](const auto& list, const auto& queue) {
      return std::find(list.begin(), list.end(), queue) != list.end();
    };
    const bool loses = std::any_of(had.begin(), had.end(), [&](const auto& queue) {
      return nodes.contains(queue) && !near.contains(nodes.at(queue)) && !is_in(has, queue);
    });
    const bool gets = std::any_of(has.begin() + static_cast<std::ptrdiff_t>(shares[i].local), has.end(),
                                  [&](const auto& queue) { return !is_in(had, queue); });
    // Where consumers share a shard because they would have none, whose of them it is does not count.
    if (!Shared(had_now, group) && !Shared(shares, group)) {
      ASSERT_FALSE(loses && gets) << group.consumers()[i].instance;
    }
  }
}

TEST(AssignProperty, WhoeverComesAndGoesEveryShardIsCoveredAndTheSharesAreLevel) {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    AssignedGroup group(seed);
    for (int step = 0; step < kSteps; ++step) {
      group.Change();
      const auto shares = group.Shares();
      ASSERT_NO_FATAL_FAILURE(ExpectCovered(group, shares));
      ASSERT_NO_FATAL_FAILURE(ExpectLevel(group, shares));
      ASSERT_NO_FATAL_FAILURE(ExpectStill(group, shares));
      group.Take(shares);
      ASSERT_EQ(group.Shares(), shares) << "nothing has changed, and something moves";
    }
  }
}

TEST(AssignProperty, TheOrderOfTheArgumentsMeansNothing) {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    AssignedGroup group(seed);
    for (int i = 0; i < 5; ++i) group.Change();
    const auto before = group.ByInstance();
    group.Shuffle();
    ASSERT_EQ(group.ByInstance(), before);
  }
}

}  // namespace
}  // namespace warren
