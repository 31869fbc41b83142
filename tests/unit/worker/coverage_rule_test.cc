// The rule of who consumes which shard, by example and with workers that look in any order.
#include "proxy/worker/coverage_rule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>
#include <tuple>

#include "shardmgr/plan/naming.h"

namespace warren::worker {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::string kExchange = "shard.web";
const std::string kMine = ShardName(kExchange, "rabbit1@a", 0);
const std::string kForeign = ShardName(kExchange, "rabbit2@b", 0);
const Identity kSelf{"rabbit1@a", "m"};

SeenShard Bound(const std::string& queue) { return {queue, true, 0}; }
SeenShard Unbound(const std::string& queue, std::optional<std::uint64_t> messages) { return {queue, false, messages}; }

std::vector<std::string> Decide(const std::vector<SeenConsumer>& consumers, const std::vector<std::string>& held = {}) {
  return ShardsToHold(kSelf, kExchange,
                      {Bound(kMine), Bound(kForeign), Bound("other"), Bound("stream: x - rabbit1@a - 0")}, consumers,
                      held);
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
  EXPECT_THAT(
      ShardsToHold(kSelf, kExchange, {Bound("stream: shard.other - rabbit1@a - 0"), Unbound("queue", 3)}, {}, {}),
      IsEmpty());
}

TEST(ShardsToHold, EmptiesAShardThatIsNotBoundAndLetsGoOfItThen) {
  for (const auto& [messages, held, expected] : {std::tuple(std::optional<std::uint64_t>(1), false, true),
                                                 std::tuple(std::optional<std::uint64_t>(1), true, true),
                                                 std::tuple(std::optional<std::uint64_t>(0), false, false),
                                                 std::tuple(std::optional<std::uint64_t>(0), true, false)}) {
    const std::vector<std::string> now = held ? std::vector{kMine, kForeign} : std::vector<std::string>();
    const auto wanted =
        ShardsToHold(kSelf, kExchange, {Unbound(kMine, messages), Unbound(kForeign, messages)}, {}, now);
    EXPECT_EQ(wanted.size(), expected ? 2u : 0u) << *messages << " messages, held: " << held;
  }
}

TEST(ShardsToHold, ChangesNothingAboutAShardWhoseMessagesAreNotKnown) {
  EXPECT_THAT(ShardsToHold(kSelf, kExchange, {Unbound(kMine, std::nullopt)}, {}, {}), IsEmpty());
  EXPECT_THAT(ShardsToHold(kSelf, kExchange, {Unbound(kMine, std::nullopt)}, {}, {kMine}), ElementsAre(kMine));
}

TEST(ShardsToHold, SharesDrainingShardsOfOtherNodesAsAnyOthers) {
  const std::vector<SeenShard> shards = {Unbound(kForeign, 5)};
  const SeenConsumer of_home{kForeign, TagOf("rabbit2@b", "z")};
  EXPECT_THAT(ShardsToHold(kSelf, kExchange, shards, {}, {}), ElementsAre(kForeign));
  EXPECT_THAT(ShardsToHold(kSelf, kExchange, shards, {of_home}, {}), IsEmpty());
  EXPECT_THAT(ShardsToHold(kSelf, kExchange, shards, {of_home}, {kForeign}), IsEmpty());
}

TEST(ShardsToHold, KnowsShardsByNamesOfEitherStyle) {
  const std::string bound = ShardName(kExchange, kSelf.node, 0, NameStyle::kSharding);
  const std::string draining = ShardName(kExchange, kSelf.node, 1, NameStyle::kSharding);
  const std::string other = ShardName("shard.other", kSelf.node, 0, NameStyle::kSharding);
  EXPECT_THAT(ShardsToHold(kSelf, kExchange, {Bound(bound), Unbound(draining, 1), Bound(other)}, {}, {}),
              ElementsAre(bound, draining));
}

TEST(IsYieldTime, ComesForTwentySecondsOfEachPeriodAndNeverWithoutOne) {
  constexpr std::int64_t kEveryMs = 300'000, kStepMs = 1'000;
  for (const std::int64_t start_ms : {std::int64_t{0}, std::int64_t{1'700'000'000'123}}) {
    int times = 0, begins = 0;
    for (std::int64_t at = start_ms; at < start_ms + kEveryMs; at += kStepMs) {
      const bool now = IsYieldTime(kMine, at, kEveryMs);
      times += now;
      begins += now && !IsYieldTime(kMine, at - kStepMs, kEveryMs);
      EXPECT_EQ(now, IsYieldTime(kMine, at + kEveryMs, kEveryMs));
      EXPECT_FALSE(IsYieldTime(kMine, at, 0));
    }
    EXPECT_EQ(times, kYieldMs / kStepMs);
    EXPECT_EQ(begins, 1) << "in one piece";
  }
}

TEST(IsYieldTime, FallsOnTheSameTimeInEveryProgramAndOnAnotherForEachShard) {
  EXPECT_TRUE(IsYieldTime("a", 300'000 - 0xaf63dc4c8601ec8c % 300'000, 300'000)) << "by FNV-1a of the name";
  std::set<std::int64_t> begins;
  for (int index = 0; index < 8; ++index) {
    std::int64_t at = 0;
    while (IsYieldTime(ShardName(kExchange, "rabbit1@a", index), at, 300'000)) at += 1'000;
    while (!IsYieldTime(ShardName(kExchange, "rabbit1@a", index), at, 300'000)) at += 1'000;
    begins.insert(at);
  }
  EXPECT_GT(begins.size(), 4u);
}

TEST(CountLocal, GoesByTheNodeInTheNamesOfEitherStyle) {
  const std::vector<std::string> shards = {kMine, ShardName(kExchange, kSelf.node, 1, NameStyle::kSharding), kForeign,
                                           ShardName("shard.other", kSelf.node, 0), "queue"};
  EXPECT_EQ(CountLocal(kSelf.node, kExchange, shards), 2u);
}

Assignment Assigned(std::vector<std::string> shards, std::vector<std::string> local) {
  return {kExchange, kSelf.instance, kSelf.node, {1, 1}, std::move(shards), std::move(local)};
}

TEST(WantedOf, TakesTheShardsInTheirOrderAndKnowsHowManyAreLocal) {
  const Wanted wanted = WantedOf(Assigned({kMine, kForeign}, {kMine, "not assigned"}), kExchange);
  EXPECT_THAT(wanted.shards, ElementsAre(kMine, kForeign));
  EXPECT_EQ(wanted.local, 1u);
  EXPECT_EQ(wanted.resting, 0u);
}

TEST(WantedOf, BelievesTheCoordinatorAboutWhereAMisplacedShardLives) {
  EXPECT_EQ(WantedOf(Assigned({kForeign}, {kForeign}), kExchange).local, 1u);
}

TEST(WantedOf, LeavesOutWhatIsNoShardOfTheStreamAndWhatIsThereTwice) {
  const Wanted wanted = WantedOf(
      Assigned({"orders", kMine, ShardName("shard.other", "rabbit1@a", 0), kMine, "", "stream: "}, {kMine, "orders"}),
      kExchange);
  EXPECT_THAT(wanted.shards, ElementsAre(kMine));
  EXPECT_EQ(wanted.local, 1u);
}

TEST(PrefetchPerShard, SharesTheConcurrencyAmongLocalShardsAndNeverGivesZero) {
  const auto prefetch = [](unsigned concurrency, std::size_t local, std::size_t foreign, std::size_t resting = 0) {
    return PrefetchPerShard(concurrency, {std::vector<std::string>(local - resting + foreign), local, resting});
  };
  EXPECT_EQ(prefetch(16, 2, 0), 8u);
  EXPECT_EQ(prefetch(16, 2, 4), 8u) << "what is covered for a while takes nothing from what stays";
  EXPECT_EQ(prefetch(16, 2, 0, 1), 8u) << "what rests comes back";
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
    std::vector<SeenShard> shards;
    for (const std::string& queue : queues) shards.push_back(random() % 3 == 0 ? Unbound(queue, 1) : Bound(queue));
    const auto look = [&](std::size_t i) { return ShardsToHold(workers[i], kExchange, shards, seen(), held[i]); };
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
