// Who consumes what, by example: local shards, shards nobody is near, consumers that would have none; which shards
// count.
#include "shardmgr/plan/assign.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "shardmgr/plan/level.h"

namespace warren {
namespace {

using Queues = std::vector<std::string>;

const std::vector<ServableShard> kSix = {{"a0", "a"}, {"b0", "b"}, {"c0", "c"}, {"a1", "a"}, {"b1", "b"}, {"c1", "c"}};

TEST(LevelOut, LiftsTheLowestFirst) {
  EXPECT_EQ(LevelOut({}, {{}, {}}), (std::vector<std::size_t>{kNoBin, kNoBin}));
  EXPECT_EQ(LevelOut({3, 0, 1}, {{}, {}, {}}), (std::vector<std::size_t>{1, 1, 2}));
  EXPECT_EQ(LevelOut({0, 0}, {}), std::vector<std::size_t>{});
}

TEST(LevelOut, GrantsWishesAsFarAsItStaysLevel) {
  EXPECT_EQ(LevelOut({0, 0}, {{1}, {1}, {1}}), (std::vector<std::size_t>{1, 1, 0}));
  EXPECT_EQ(LevelOut({0, 0}, {{0, 1}, {1}}), (std::vector<std::size_t>{0, 1}));
  EXPECT_EQ(LevelOut({0, 0, 5}, {{2}, {77}}), (std::vector<std::size_t>{0, 1}));
}

TEST(Assign, GivesEachConsumerTheShardsOfItsNode) {
  const auto shares = Assign(kSix, {{"w1", "a", {}}, {"w2", "b", {}}, {"w3", "c", {}}, {"w4", "c", {}}});
  EXPECT_EQ(shares[0], (ShardShare{{"a0", "a1"}, 2}));
  EXPECT_EQ(shares[1], (ShardShare{{"b0", "b1"}, 2}));
  EXPECT_EQ(shares[2], (ShardShare{{"c0", "c1"}, 2}));
  EXPECT_EQ(shares[3], shares[2]);
}

TEST(Assign, SharesOutWhatNobodyIsNear) {
  const auto shares = Assign(kSix, {{"w1", "a", {}}, {"w2", "b", {}}});
  EXPECT_EQ(shares[0], (ShardShare{{"a0", "a1", "c0"}, 2}));
  EXPECT_EQ(shares[1], (ShardShare{{"b0", "b1", "c1"}, 2}));
  EXPECT_EQ(Assign(kSix, {{"w1", "elsewhere", {}}})[0], (ShardShare{{"a0", "a1", "b0", "b1", "c0", "c1"}, 0}));
}

TEST(Assign, LeavesWhatIsBorrowedWithWhoHasIt) {
  const auto shares = Assign(kSix, {{"w1", "a", {"a0", "a1", "c1"}}, {"w2", "b", {"b0", "b1", "c0"}}});
  EXPECT_EQ(shares[0].shards, (Queues{"a0", "a1", "c1"}));
  EXPECT_EQ(shares[1].shards, (Queues{"b0", "b1", "c0"}));
}

TEST(Assign, TakesFromWhoHasTooMany) {
  const auto shares = Assign(kSix, {{"w1", "a", {"a0", "a1", "b0", "b1", "c0", "c1"}}, {"w2", "a", {}}});
  EXPECT_EQ(shares[0].shards.size(), 4u);
  EXPECT_EQ(shares[1].shards.size(), 4u);
}

TEST(Assign, GivesBackToTheNodeOfTheShard) {
  const auto shares = Assign(kSix, {{"w1", "a", {"a0", "a1", "c1"}}, {"w2", "b", {"b0", "b1", "c0"}}, {"w3", "c", {}}});
  EXPECT_EQ(shares[0].shards, (Queues{"a0", "a1"}));
  EXPECT_EQ(shares[2].shards, (Queues{"c0", "c1"}));
}

TEST(Assign, MakesUseOfWhoWouldHaveNone) {
  const std::vector<ServableShard> two = {{"a0", "a"}, {"a1", "a"}};
  const auto shares = Assign(two, {{"w1", "a", {}}, {"w2", "x", {}}, {"w3", "x", {}}, {"w4", "x", {"a1"}}});
  EXPECT_EQ(shares[0], (ShardShare{{"a0", "a1"}, 2}));
  EXPECT_EQ(shares[1].shards.size() + shares[2].shards.size(), 2u);
  EXPECT_EQ(shares[3], (ShardShare{{"a1"}, 0}));
}

TEST(Assign, IsTotal) {
  EXPECT_TRUE(Assign({}, {}).empty());
  EXPECT_TRUE(Assign(kSix, {}).empty());
  EXPECT_EQ(Assign({}, {{"w", "a", {"gone"}}})[0], ShardShare{});
  EXPECT_EQ(Assign({{"q", ""}}, {{"w", "", {}}})[0], (ShardShare{{"q"}, 0}));
}

TEST(AssignShared, GivesConsumersOfANodeOneList) {
  const auto shares = AssignShared(kSix, {{"w1", "a", {}}, {"w2", "b", {}}, {"w3", "a", {}}, {"w4", "x", {}}}).given;
  EXPECT_EQ(*shares[0].local, (Queues{"a0", "a1"}));
  EXPECT_EQ(shares[0].local, shares[2].local);
  EXPECT_EQ(*shares[1].local, (Queues{"b0", "b1"}));
  EXPECT_TRUE(shares[3].local->empty());
  EXPECT_EQ(shares[3].others, (Queues{"c0", "c1"}));
}

TEST(AssignShared, GoesByASharedListAsByAListOfItsOwn) {
  const auto list = std::make_shared<const Queues>(Queues{"gone", "c0", "c1", "a0"});
  const std::vector<ShardConsumer> own = {
      {"w1", "a", {}}, {"w2", "b", {"gone", "c0", "c1", "a0"}}, {"w3", "a", {"b0"}}};
  const std::vector<ShardConsumer> shared = {{"w1", "a", {}}, {"w2", "b", {}, list}, {"w3", "a", {"b0"}, nullptr}};
  const auto expected = AssignShared(kSix, own).given, found = AssignShared(kSix, shared).given;
  for (std::size_t i = 0; i < own.size(); ++i) {
    EXPECT_EQ(*found[i].local, *expected[i].local);
    EXPECT_EQ(found[i].others, expected[i].others);
  }
  EXPECT_NE(std::find(found[1].others.begin(), found[1].others.end(), "c0"), found[1].others.end());
}

TEST(AssignShared, GivesNobodyMoreThanItCanBeToldOf) {
  const auto one = AssignShared(kSix, {{"w1", "a", {}}}, {.names = 4});
  EXPECT_EQ(*one.given[0].local, (Queues{"a0", "a1"}));
  EXPECT_EQ(one.given[0].others.size(), 2u);
  EXPECT_TRUE(one.left_out);
  const auto two = AssignShared(kSix, {{"w1", "a", {}}, {"w2", "x", {}}}, {.names = 4});
  EXPECT_FALSE(two.left_out);
  const auto small = AssignShared({{"a0", "a"}, {"a1", "a"}}, {{"w1", "a", {}}, {"w2", "x", {}}}, {.names = 1});
  EXPECT_EQ(*small.given[0].local, Queues{"a0"});
  EXPECT_EQ(small.given[1].others, Queues{"a1"}) << "what is too much for those on its node is anybody's";
  EXPECT_FALSE(small.left_out);
  EXPECT_FALSE(AssignShared(kSix, {}, {.names = 1}).left_out) << "there is nobody";
}

TEST(AssignShared, CountsALocalNameTwice) {
  const std::vector<ServableShard> shards = {{"a0", "a", 10}, {"a1", "a", 10}, {"b0", "b", 10}};
  const auto given = [&](std::size_t bytes) {
    const auto shares = AssignShared(shards, {{"w1", "a", {}}}, {.bytes = bytes});
    EXPECT_EQ(shares.left_out, bytes < 50);
    return std::pair(shares.given[0].local->size(), shares.given[0].others.size());
  };
  EXPECT_EQ(given(50), (std::pair<std::size_t, std::size_t>(2, 1)));
  EXPECT_EQ(given(49), (std::pair<std::size_t, std::size_t>(2, 0)));
  EXPECT_EQ(given(39), (std::pair<std::size_t, std::size_t>(1, 1)));
  EXPECT_EQ(given(5), (std::pair<std::size_t, std::size_t>(0, 0)));
}

Shard Of(const char* queue, ShardState state, bool bound) {
  Shard shard;
  shard.queue = queue;
  shard.state = state;
  shard.bound = bound;
  shard.observed_node = "a";
  shard.ready = shard.unacked = 0;
  return shard;
}

Queues Servable(const std::vector<Shard>& shards, const std::set<std::string>& held = {},
                std::int64_t now_ms = 60'000) {
  StreamPlan stream;
  stream.shards = shards;
  Queues queues;
  for (const ServableShard& shard : ServableShards(stream, held, now_ms, 5'000)) queues.push_back(shard.queue);
  return queues;
}

TEST(ServableShards, AreThoseInServiceAndThoseToBeBoundNext) {
  Shard declared = Of("declared", ShardState::kDeclared, false);
  declared.wanted = true;
  EXPECT_EQ(Servable({Of("active", ShardState::kActive, true), Of("outdated", ShardState::kOutdated, true), declared,
                      Of("missing", ShardState::kMissing, false), Of("down", ShardState::kDown, true),
                      Of("conflict", ShardState::kConflict, false), Of("orphaned", ShardState::kOrphaned, true),
                      Of("left alone", ShardState::kDeclared, false), Of("misplaced", ShardState::kMisplaced, true)}),
            (Queues{"active", "outdated", "declared", "orphaned", "misplaced"}));
}

TEST(ServableShards, AreDrainingOnesUntilTheyAreKnownToBeEmpty) {
  Shard draining = Of("q", ShardState::kDraining, false);
  draining.unbound_since_ms = 50'000;
  EXPECT_EQ(Servable({draining}, {"q"}), Queues{});
  draining.unacked = 1;
  EXPECT_EQ(Servable({draining}), Queues{"q"});
  draining.unacked.reset();
  EXPECT_EQ(Servable({draining}), Queues{});
  EXPECT_EQ(Servable({draining}, {"q"}), Queues{"q"});
  draining.unacked = 0;
  draining.unbound_since_ms = 57'000;  // The counts may be older.
  EXPECT_EQ(Servable({draining}, {"q"}), Queues{"q"});
  EXPECT_EQ(Servable({draining}, {}), Queues{});
  EXPECT_EQ(Servable({draining}, {"q"}, 62'000), Queues{});
}

}  // namespace
}  // namespace warren
