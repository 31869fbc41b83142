// The rule of who consumes which shard, by example and with workers that look in any order.
#include "proxy/worker/assignment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "shardmgr/plan/naming.h"

namespace warren::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::string kExchange = "shard.web";
const std::string kMine = ShardName(kExchange, "rabbit1@a", 0);
const std::string kForeign = ShardName(kExchange, "rabbit2@b", 0);
const Identity kSelf{"rabbit1@a", "m"};

std::vector<std::string> Decide(const std::vector<SeenConsumer>& consumers, const std::vector<std::string>& held = {}) {
  return ShardsToHold(kSelf, kExchange, {kMine, kForeign, "other", "stream: x - rabbit1@a - 0"}, consumers, held);
}

std::string TagOf(const std::string& node, const std::string& instance) { return ConsumerTag({node, instance}, 7); }

TEST(ConsumerTag, IsReadBackAsWritten) {
  const std::optional<Identity> who = ParseConsumerTag(ConsumerTag({"rabbit@h:1", "abc"}, 3));
  ASSERT_TRUE(who);
  EXPECT_EQ(who->node, "rabbit@h:1");
  EXPECT_EQ(who->instance, "abc");
}

TEST(ParseConsumerTag, KnowsNothingOfTagsOfOtherForms) {
  for (const char* tag :
       {"", "ctag1.2", "warren:", "warren:a", "warren:a:b", "warren::b:1", "warren:a::1", "warren:::"}) {
    EXPECT_FALSE(ParseConsumerTag(tag)) << tag;
  }
}

TEST(ShardsToHold, CoversItsOwnNodeWhoeverElseConsumes) {
  EXPECT_THAT(Decide({{kMine, TagOf("rabbit1@a", "a")}, {kForeign, "x"}}), ElementsAre(kMine));
}

TEST(ShardsToHold, TakesAForeignShardThatNobodyConsumes) { EXPECT_THAT(Decide({}), ElementsAre(kMine, kForeign)); }

TEST(ShardsToHold, LeavesAForeignShardThatSomebodyConsumes) {
  EXPECT_THAT(Decide({{kForeign, TagOf("rabbit3@c", "z")}}), ElementsAre(kMine));
}

TEST(ShardsToHold, GivesUpAForeignShardToItsHomeNodeToASmallerInstanceAndToAStranger) {
  const SeenConsumer own{kForeign, TagOf("rabbit1@a", "m")};
  EXPECT_THAT(Decide({own}, {kForeign}), ElementsAre(kMine, kForeign));
  EXPECT_THAT(Decide({own, {kForeign, TagOf("rabbit2@b", "z")}}, {kForeign}), ElementsAre(kMine));
  EXPECT_THAT(Decide({own, {kForeign, TagOf("rabbit3@c", "a")}}, {kForeign}), ElementsAre(kMine));
  EXPECT_THAT(Decide({own, {kForeign, "ctag"}}, {kForeign}), ElementsAre(kMine));
  EXPECT_THAT(Decide({own, {kForeign, TagOf("rabbit3@c", "z")}}, {kForeign}), ElementsAre(kMine, kForeign));
}

TEST(ShardsToHold, HoldsNothingOfAnotherStream) {
  EXPECT_THAT(ShardsToHold(kSelf, kExchange, {"stream: shard.other - rabbit1@a - 0", "queue"}, {}, {}), IsEmpty());
}

TEST(PrefetchPerShard, SharesTheConcurrencyAmongLocalShardsAndNeverGivesZero) {
  const Identity self{"n1", "a"};
  const auto prefetch = [&](unsigned concurrency, int local, int foreign) {
    std::vector<std::string> shards;
    for (int i = 0; i < local; ++i) shards.push_back(ShardName(kExchange, "n1", i));
    for (int i = 0; i < foreign; ++i) shards.push_back(ShardName(kExchange, "n2", i));
    return PrefetchPerShard(self, kExchange, concurrency, shards);
  };
  EXPECT_EQ(prefetch(16, 2, 0), 8u);
  EXPECT_EQ(prefetch(16, 2, 4), 8u) << "what is covered for a while takes nothing from what stays";
  EXPECT_EQ(prefetch(16, 0, 4), 4u);
  EXPECT_EQ(prefetch(2, 5, 0), 1u);
  EXPECT_EQ(prefetch(16, 0, 0), 16u);
  EXPECT_EQ(prefetch(1'000'000, 1, 0), 65'535u);
}

// Workers look in any order, each at the state of the moment: every shard ends with a consumer,
// foreign shards with one alone, and nothing moves any more.
TEST(ShardsToHold, SettlesWithEveryShardCoveredWhateverTheOrder) {
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::string> queues;
    for (int node = 0; node < 4; ++node) {
      for (int index = 0; index < 2; ++index) queues.push_back(ShardName(kExchange, "n" + std::to_string(node), index));
    }
    std::vector<Identity> workers;
    std::vector<std::vector<std::string>> held(1 + random() % 4);
    for (std::size_t i = 0; i < held.size(); ++i) {
      workers.push_back({"n" + std::to_string(random() % 4), std::string(1, static_cast<char>('a' + i))});
      for (const std::string& queue : queues) {
        if (random() % 2 == 0) held[i].push_back(queue);
      }
    }
    const auto seen = [&] {
      std::vector<SeenConsumer> consumers;
      for (std::size_t i = 0; i < held.size(); ++i) {
        for (const std::string& queue : held[i]) consumers.push_back({queue, ConsumerTag(workers[i], 0)});
      }
      return consumers;
    };
    const auto look = [&](std::size_t i) { return ShardsToHold(workers[i], kExchange, queues, seen(), held[i]); };
    for (int step = 0; step < 12; ++step) {
      const std::size_t start = random() % held.size();
      for (std::size_t i = 0; i < held.size(); ++i) held[(start + i) % held.size()] = look((start + i) % held.size());
    }
    for (std::size_t i = 0; i < held.size(); ++i) EXPECT_EQ(look(i), held[i]) << "worker " << i << " keeps changing";
    const std::vector<SeenConsumer> consumers = seen();
    for (const std::string& queue : queues) {
      EXPECT_TRUE(
          std::any_of(consumers.begin(), consumers.end(), [&](const auto& each) { return each.queue == queue; }))
          << queue << " is uncovered";
    }
  }
}

}  // namespace
}  // namespace warren::worker
