// Shards that go: too many, of nodes or exchanges that go, of streams that nobody wants; and come back.
#include <gtest/gtest.h>

#include "tests/unit/plan/watched_stream.h"

namespace warren {
namespace {

TEST(Drain, UnbindsTheHighestIndexFirstAndDeletesAfterTwoEmptyLooks) {
  WatchedCluster cluster = Converged(kTwo);
  const auto one = CatalogOf(kOne);
  Plan plan = cluster.Look(one);
  EXPECT_EQ(Lines(plan),
            (Texts{"declare exchange 'warren.draining' (direct, durable)",
                   "mark queue 'stream: shard.x - r3@h - 1' as being drained",
                   "mark queue 'stream: shard.x - r2@h - 1' as being drained",
                   "mark queue 'stream: shard.x - r1@h - 1' as being drained",
                   "unbind queue 'stream: shard.x - r3@h - 1' from exchange 'shard.x' with routing key '1'",
                   "unbind queue 'stream: shard.x - r2@h - 1' from exchange 'shard.x' with routing key '1'",
                   "unbind queue 'stream: shard.x - r1@h - 1' from exchange 'shard.x' with routing key "
                   "'1'"}));
  Apply(plan, cluster.topology);
  plan = cluster.Look(one, 100);  // First seen unbound: its counts may be older than that.
  EXPECT_TRUE(plan.empty());
  EXPECT_EQ(plan.next_look_ms(), cluster.topology.observed_at_ms);
  plan = cluster.Look(one, 100);  // First seen empty.
  EXPECT_TRUE(plan.empty());
  EXPECT_EQ(plan.next_look_ms(), cluster.topology.observed_at_ms + 5'000);
  EXPECT_TRUE(cluster.Look(one, 4'999).empty());
  plan = cluster.Look(one, 1);
  ASSERT_EQ(plan.action_count(), 3U);
  EXPECT_EQ(Lines(plan).front(), "delete queue 'stream: shard.x - r3@h - 1' if it is empty and unused (classic)");
  Apply(plan, cluster.topology);
  EXPECT_EQ(cluster.Look(one).streams.at(0).state(), "ready");
}

TEST(Drain, WaitsForMessagesDeliveriesAndConsumers) {
  for (auto member : {&Queue::ready, &Queue::unacked, &Queue::consumers}) {
    WatchedCluster cluster = Converged(kTwo);
    const std::string name = ShardName("shard.x", "r1@h", 1);
    FindQueue(cluster.topology, name)->*member = 2;
    cluster.Converge(CatalogOf(kOne));
    ASSERT_NE(FindQueue(cluster.topology, name), nullptr);
    Plan plan = cluster.Look(CatalogOf(kOne), 60'000);
    EXPECT_TRUE(FindCondition(plan.streams.at(0), "DrainStalled"));
    EXPECT_EQ(plan.streams.at(0).state(), "degraded");
    FindQueue(cluster.topology, name)->*member = std::nullopt;  // Unknown is not empty.
    EXPECT_TRUE(cluster.Look(CatalogOf(kOne)).empty());
    EXPECT_TRUE(cluster.Look(CatalogOf(kOne)).empty());
    FindQueue(cluster.topology, name)->*member = 0;
    cluster.Converge(CatalogOf(kOne));
    EXPECT_EQ(FindQueue(cluster.topology, name), nullptr);
  }
}

TEST(Drain, SaysWhatItWaitsFor) {
  WatchedCluster cluster = Converged(kTwo);
  FindQueue(cluster.topology, ShardName("shard.x", "r1@h", 1))->ready = 5;
  cluster.Converge(CatalogOf(kOne));
  const Plan plan = cluster.Look(CatalogOf(kOne), 100);
  const Condition* draining = FindCondition(plan.streams.at(0), "Draining");
  ASSERT_TRUE(draining);
  EXPECT_EQ(draining->message,
            "shards are being drained: 'stream: shard.x - r1@h - 1' (shards-per-node is 1; 5 ready, 0 unacknowledged, "
            "0 consumers: nobody consumes it)");
}

TEST(Drain, AShardWantedAgainIsSimplyBoundAgain) {
  WatchedCluster cluster = Converged(kTwo);
  FindQueue(cluster.topology, ShardName("shard.x", "r2@h", 1))->ready = 5;
  cluster.Converge(CatalogOf(kOne));
  const Plan plan = cluster.Look(CatalogOf(kTwo));
  const Shard& shard = FindShard(plan, ShardName("shard.x", "r2@h", 1));
  EXPECT_EQ(shard.state, ShardState::kDeclared);
  cluster.Converge(CatalogOf(kTwo));
  EXPECT_EQ(FindQueue(cluster.topology, shard.queue)->ready, 5U);
}

TEST(Drain, RetainKeepsTheUnboundShard) {
  WatchedCluster cluster = Converged(kTwo);
  cluster.Converge(CatalogOf(R"({"shards-per-node": 1, "on-remove": "retain"})"));
  EXPECT_EQ(cluster.topology.queues.size(), 6U);
  EXPECT_EQ(Bound(cluster), 3U);
  const Plan plan = cluster.Look(CatalogOf(R"({"shards-per-node": 1, "on-remove": "retain"})"));
  EXPECT_TRUE(FindCondition(plan.streams.at(0), "Retained"));
  EXPECT_EQ(plan.streams.at(0).state(), "ready");
}

TEST(Drain, NeverDeleteKeepsEverything) {
  WatchedCluster cluster = Converged(kTwo);
  cluster.limits.never_delete = true;
  cluster.Converge(CatalogOf(kOne));
  EXPECT_EQ(cluster.topology.queues.size(), 6U);
  EXPECT_EQ(Bound(cluster), 3U);
}

TEST(Drain, AShardThatAnotherExchangeFeedsIsNotDeleted) {
  WatchedCluster cluster = Converged(kTwo);
  AddBinding(cluster.topology, "other", ShardName("shard.x", "r1@h", 1), "k");
  cluster.Converge(CatalogOf(kOne));
  EXPECT_NE(FindQueue(cluster.topology, ShardName("shard.x", "r1@h", 1)), nullptr);
  EXPECT_EQ(cluster.topology.queues.size(), 4U);
}

TEST(Drain, LeavesAQueueOfAnotherMakeAloneThatHasAShardsName) {
  WatchedCluster cluster = Converged(kOne);
  Action declare;
  declare.vhost = "/";
  declare.queue = ShardName("shard.x", "r1@h", 7);
  declare.node = "r1@h";
  declare.declare_as.arguments = {{"x-max-length", 10}};
  Apply(declare, cluster.topology);
  cluster.Converge(CatalogOf(kOne));
  EXPECT_NE(FindQueue(cluster.topology, declare.queue), nullptr);
  EXPECT_TRUE(FindCondition(cluster.Look(CatalogOf(kOne)).streams.at(0), "QueueConflict"));
}

TEST(Drain, ADrainedNodeIsEmptiedAndRefilled) {
  WatchedCluster cluster = Converged(kTwo);
  cluster.Converge(CatalogOf(kTwo, {"r2@h"}));
  EXPECT_EQ(cluster.topology.queues.size(), 4U);
  EXPECT_EQ(cluster.Look(CatalogOf(kTwo, {"r2@h"})).streams.at(0).state(), "ready");
  cluster.Converge(CatalogOf(kTwo));
  EXPECT_EQ(cluster.topology.queues.size(), 6U);
  const Plan plan = cluster.Look(CatalogOf(kTwo, {"gone@h"}));
  ASSERT_EQ(plan.problems.size(), 1U);
  EXPECT_EQ(plan.problems[0].reason, "UnknownNode");
}

TEST(Drain, TheExchangeKeepsAShardWhenEveryNodeIsDrained) {
  WatchedCluster cluster = Converged(kTwo);
  cluster.Converge(CatalogOf(kTwo, kThree));
  EXPECT_EQ(Bound(cluster), 1U);
  EXPECT_TRUE(FindCondition(cluster.Look(CatalogOf(kTwo, kThree)).streams.at(0), "LastShard"));
}

TEST(Drain, ShardsOfAForgottenNodeGo) {
  WatchedCluster cluster = Converged(kOne);
  cluster.topology.nodes.pop_back();
  FindQueue(cluster.topology, ShardName("shard.x", "r3@h", 0))->node = "r1@h";  // A quorum queue outlives its node.
  cluster.Converge(CatalogOf(kOne));
  EXPECT_EQ(cluster.topology.queues.size(), 2U);
}

TEST(Drain, NothingIsDoneToAShardWhoseNodeIsDown) {
  WatchedCluster cluster = Converged(kTwo);
  cluster.topology.nodes[2].running = false;
  for (Queue& queue : cluster.topology.queues) queue.state = queue.node == "r3@h" ? "down" : "running";
  cluster.Converge(CatalogOf(kOne));
  EXPECT_NE(FindQueue(cluster.topology, ShardName("shard.x", "r3@h", 1)), nullptr);
  EXPECT_EQ(FindQueue(cluster.topology, ShardName("shard.x", "r1@h", 1)), nullptr);
}

TEST(Drain, AChangedTemplateDoesNotMakeShardsThatAreBeingDrainedStrangers) {
  const auto changed = CatalogOf(R"({"shards-per-node": 1, "queue": {"arguments": {"x-message-ttl": 5}}})");
  WatchedCluster cluster = Converged(kTwo);
  Queue& queue = *FindQueue(cluster.topology, ShardName("shard.x", "r1@h", 1));
  queue.ready = 3;
  cluster.Converge(CatalogOf(kOne));
  cluster.Converge(changed);
  EXPECT_EQ(FindShard(cluster.Look(changed), ShardName("shard.x", "r1@h", 1)).state, ShardState::kDraining);
  FindQueue(cluster.topology, ShardName("shard.x", "r1@h", 1))->ready = 0;
  cluster.Converge(changed);
  EXPECT_EQ(cluster.topology.queues.size(), 3U);
  // The same while the exchange is gone.
  FindQueue(cluster.topology, ShardName("shard.x", "r1@h", 0))->ready = 3;
  const auto exchanges = cluster.topology.exchanges;
  std::erase_if(cluster.topology.exchanges, [](const Exchange& exchange) { return exchange.name == "shard.x"; });
  std::erase_if(cluster.topology.bindings, [](const Binding& binding) { return binding.source == "shard.x"; });
  cluster.Converge(changed);
  cluster.topology.exchanges = exchanges;
  cluster.Converge(CatalogOf(kOne));
  EXPECT_EQ(FindShard(cluster.Look(CatalogOf(kOne)), ShardName("shard.x", "r1@h", 0)).state, ShardState::kDraining);
  EXPECT_EQ(Bound(cluster), 2U);
}

TEST(Drain, AConflictUnderAnIndexThatIsNotWantedDoesNotKeepTheStreamFromBeingReady) {
  WatchedCluster cluster = Converged(kOne);
  Action declare;
  declare.vhost = "/";
  declare.queue = ShardName("shard.x", "r1@h", 7);
  declare.node = "r1@h";
  declare.declare_as.arguments = {{"x-max-length", 10}};
  Apply(declare, cluster.topology);
  EXPECT_TRUE(cluster.Look(CatalogOf(kOne)).streams.at(0).ready());
}

TEST(Drain, AShardThatAnswersStaysBoundWhenTheOtherCannotBeReached) {
  WatchedCluster cluster = Converged(kOne, "x-consistent-hash", {"r1@h", "r2@h"});
  cluster.limits.unreachable_nodes = {"r2@h"};
  EXPECT_TRUE(cluster.Look(CatalogOf(R"({"queue": {"arguments": {"x-message-ttl": 5}}})")).empty());
}

TEST(Orphans, KeepTheirShardsBoundUntilTheyAreToBeRemoved) {
  WatchedCluster cluster = Converged(kOne);
  const auto nothing = policies::Catalog::Build({});
  cluster.Converge(nothing);
  Plan plan = cluster.Look(nothing);
  ASSERT_EQ(plan.streams.size(), 1U);
  EXPECT_EQ(plan.streams[0].state(), "orphaned");
  EXPECT_TRUE(FindCondition(plan.streams[0], "Orphaned"));
  EXPECT_EQ(Bound(cluster), 3U);
  cluster.limits.remove = {{"/", "shard.x"}};
  cluster.Converge(nothing);
  EXPECT_TRUE(cluster.topology.queues.empty());
  EXPECT_TRUE(cluster.Look(nothing).streams.empty());
}

TEST(Orphans, RemoveTouchesNoStreamThatAPolicyWants) {
  WatchedCluster cluster = Converged(kOne);
  cluster.limits.remove = {{"/", "shard.x"}};
  EXPECT_TRUE(cluster.Look(CatalogOf(kOne)).empty());
}

TEST(Orphans, ShardsOfADeletedExchangeAreDrainedWhereAPolicyKnowsItsName) {
  WatchedCluster cluster = Converged(kOne);
  cluster.topology.exchanges.clear();
  cluster.topology.bindings.clear();
  FindQueue(cluster.topology, ShardName("shard.x", "r1@h", 0))->ready = 1;
  cluster.Converge(CatalogOf(kOne));
  ASSERT_EQ(cluster.topology.queues.size(), 1U);
  cluster.topology.exchanges = DrawCluster({}, {"shard.x"}).exchanges;  // Declared again: bound again, message and all.
  cluster.Converge(CatalogOf(kOne));
  EXPECT_EQ(cluster.topology.queues.size(), 3U);
  EXPECT_EQ(Bound(cluster), 3U);
}

TEST(Orphans, ShardsOfADeletedExchangeThatNoPolicyKnowsAreReported) {
  WatchedCluster cluster = Converged(kOne);
  cluster.topology.exchanges.clear();
  cluster.topology.bindings.clear();
  const auto nothing = policies::Catalog::Build({});
  cluster.Converge(nothing);
  EXPECT_EQ(cluster.topology.queues.size(), 3U);
  EXPECT_EQ(cluster.Look(nothing).streams.at(0).state(), "orphaned");
}

TEST(Orphans, AnExchangeThatCameWhileTheClusterWasReadIsLeftAlone) {
  WatchedCluster cluster = Converged(kOne);
  cluster.topology.exchanges.clear();  // Read before it was declared; queues and bindings after.
  const Plan plan = cluster.Look(CatalogOf(kOne));
  EXPECT_TRUE(plan.empty());
  EXPECT_TRUE(plan.streams.empty());
}

TEST(Orphans, ShardsOfTheStyleOfThePluginAreDrainedWhereTheDefinitionSaysSo) {
  const char* sharding = R"({"names": "sharding"})";
  WatchedCluster cluster = Converged(sharding);
  cluster.topology.exchanges.clear();
  cluster.topology.bindings.clear();
  EXPECT_TRUE(cluster.Look(policies::Catalog::Build({})).streams.empty());  // The plugin's.
  cluster.Converge(CatalogOf(sharding));
  EXPECT_TRUE(cluster.topology.queues.empty());
}

}  // namespace
}  // namespace warren
