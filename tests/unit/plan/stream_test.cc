// What a stream as a whole is: names, users, status, forecast.
#include <gtest/gtest.h>

#include "tests/unit/plan/watched_stream.h"

namespace warren {
namespace {

TEST(Names, ShardsWithThePluginsNamesGoWhenTheyAreToBeRemoved) {
  WatchedCluster cluster = Converged(R"({"names": "sharding"})");
  const auto nothing = policies::Catalog::Build({});
  cluster.limits.remove = {{"/", "shard.x"}};
  cluster.topology.exchanges[0].policy = "plugin";
  cluster.topology.policies = {{"/", "plugin", {{"shards-per-node", 2}}}};
  EXPECT_TRUE(cluster.Look(nothing).streams.empty());  // The plugin looks after them.
  cluster.topology.policies.clear();
  cluster.Converge(nothing);
  EXPECT_TRUE(cluster.topology.queues.empty());
}

TEST(Names, ShardsOfTheOwnStyleAreDrainedOncePluginNamesAreWanted) {
  WatchedCluster cluster = Converged(kOne);
  const auto sharding = CatalogOf(R"({"names": "sharding"})");
  cluster.Converge(sharding);
  ASSERT_EQ(cluster.topology.queues.size(), 3U);
  for (const Queue& queue : cluster.topology.queues) EXPECT_TRUE(queue.name.starts_with("sharding: "));
  const Plan plan = cluster.Look(CatalogOf(kOne));
  EXPECT_TRUE(FindCondition(plan.streams.at(0), "ShardingQueues"));
}

TEST(Names, QueuesOfTheShardingPluginAreAdopted) {
  const char* sharding = R"({"shards-per-node": 1, "names": "sharding"})";
  WatchedCluster cluster = Converged(sharding);
  ASSERT_EQ(cluster.topology.queues.size(), 3U);
  EXPECT_EQ(cluster.topology.queues[0].name, "sharding: shard.x - r1@h - 0");
  cluster.topology.exchanges[0].policy = "plugin";
  cluster.topology.policies = {{"/", "plugin", {{"shards-per-node", 2}}}};
  EXPECT_TRUE(FindCondition(cluster.Look(CatalogOf(sharding)).streams.at(0), "ShardingPluginActive"));
}

TEST(Users, OneWhosePasswordIsNotKnownBlocksItsStreamAlone) {
  WatchedCluster cluster;
  cluster.topology = DrawCluster(kThree, {"shard.x"});
  const auto catalog = CatalogOf(R"({"local-username": "bob"})");
  Plan plan = cluster.Look(catalog);
  EXPECT_TRUE(plan.empty());
  EXPECT_TRUE(FindCondition(plan.streams.at(0), "UnknownUser"));
  cluster.limits.known_users = {"bob"};
  EXPECT_EQ(cluster.Look(catalog).action_count(), 6U);
}

TEST(Status, AStreamThatCannotBePlannedStillShowsItsShards) {
  WatchedCluster cluster = Converged(kOne);
  Plan plan = cluster.Look(CatalogOf(R"({"shards-per-node": "many"})"));
  EXPECT_TRUE(plan.empty());
  EXPECT_EQ(plan.streams.at(0).shards.size(), 3U);
  EXPECT_EQ(plan.streams.at(0).state(), "not-ready");
  cluster.topology.exchanges[0].type = "direct";
  plan = cluster.Look(CatalogOf(kOne));
  EXPECT_TRUE(plan.empty());
  EXPECT_EQ(plan.streams.at(0).shards.size(), 3U);
}

TEST(Status, WhileNotAllIsKnownNothingIsTakenAway) {
  WatchedCluster cluster = Converged(kTwo);
  cluster.limits.growth_only = true;
  cluster.Converge(CatalogOf(R"({"shards-per-node": 1, "queue": {"arguments": {"x-message-ttl": 5}}})"));
  EXPECT_EQ(Bound(cluster), 6U);
  EXPECT_EQ(cluster.topology.queues.size(), 6U);
  cluster.Converge(CatalogOf(R"({"shards-per-node": 3})"));
  EXPECT_EQ(Bound(cluster), 9U);
}

TEST(Status, WithoutDeletionATemplateIsNotRolled) {
  WatchedCluster cluster = Converged(kOne);
  cluster.limits.never_delete = true;
  const Plan plan = cluster.Look(CatalogOf(R"({"queue": {"arguments": {"x-message-ttl": 5}}})"));
  EXPECT_TRUE(plan.empty());
  EXPECT_TRUE(FindCondition(plan.streams.at(0), "DeletionOff"));
}

TEST(Forecast, GivesTheShareOfKeysThatMove) {
  WatchedCluster cluster = Converged(kOne);
  EXPECT_FALSE(cluster.Look(CatalogOf(kOne)).streams.at(0).moved_keys);
  auto moved = cluster.Look(CatalogOf(kTwo)).streams.at(0).moved_keys;  // Three more shards: half the keys.
  ASSERT_TRUE(moved);
  EXPECT_NEAR(moved->least, 0.5, 0.05);
  EXPECT_NEAR(moved->most, 0.5, 0.05);
  cluster = Converged(kTwo);
  moved = cluster.Look(CatalogOf(kOne)).streams.at(0).moved_keys;
  ASSERT_TRUE(moved);
  EXPECT_NEAR(moved->least, 0.5, 0.05);  // Those bound last go: their keys alone move.
  EXPECT_GT(moved->most, 0.8);           // Had they been bound first.
  cluster = Converged(kOne, "x-random");
  EXPECT_FALSE(cluster.Look(CatalogOf(kTwo)).streams.at(0).moved_keys);
  for (const char* type : {"x-consistent-hash", "x-modulus-hash"}) {
    WatchedCluster fresh;
    fresh.topology = DrawCluster(kThree, {"shard.x"}, type);
    EXPECT_EQ(fresh.Look(CatalogOf(kOne)).streams.at(0).moved_keys->most, 0) << type;
  }
  cluster = Converged(kOne, "x-modulus-hash");
  EXPECT_NEAR(cluster.Look(CatalogOf(kTwo)).streams.at(0).moved_keys->least, 0.5, 0.01);
}

}  // namespace
}  // namespace warren
