// The life of shards beyond their birth: drained, rolled, bound anew, put right, taken away; what is said of it.
#include <gtest/gtest.h>

#include "tests/unit/plan/drawn_cluster.h"

namespace warren {
namespace {

constexpr const char* kTwo = R"({"shards-per-node": 2})";
constexpr const char* kOne = R"({"shards-per-node": 1})";
const std::vector<std::string> kThree = {"r1@h", "r2@h", "r3@h"};

WatchedCluster Converged(const std::string& definition, const std::string& type = "x-consistent-hash",
                         const std::vector<std::string>& nodes = kThree) {
  WatchedCluster cluster;
  cluster.topology = DrawCluster(nodes, {"shard.x"}, type);
  cluster.Converge(CatalogOf(definition));
  return cluster;
}

std::vector<std::string> Lines(const Plan& plan) {
  std::vector<std::string> lines;
  for (const StreamPlan& stream : plan.streams) {
    for (const Action& action : stream.actions) lines.push_back(action.ToString());
  }
  return lines;
}

std::size_t Bound(const WatchedCluster& cluster) {
  const auto& bindings = cluster.topology.bindings;
  return static_cast<std::size_t>(
      std::count_if(bindings.begin(), bindings.end(), [](const Binding& b) { return b.source == "shard.x"; }));
}

const Shard& FindShard(const Plan& plan, const std::string& queue) {
  for (const Shard& shard : plan.streams.at(0).shards) {
    if (shard.queue == queue) return shard;
  }
  throw std::out_of_range(queue);
}

using Texts = std::vector<std::string>;

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

TEST(Binds, GoBeforeADeclareThatMayBeRefusedWhileTheExchangeHasNoShard) {
  WatchedCluster cluster = Converged(kOne);
  cluster.topology.bindings.clear();
  std::erase_if(cluster.topology.queues, [](const Queue& queue) { return queue.node == "r3@h"; });
  const Plan plan = cluster.Look(CatalogOf(kOne));
  ASSERT_EQ(plan.action_count(), 4U);
  const auto& actions = plan.streams.at(0).actions;
  EXPECT_EQ(actions[0].kind, ActionKind::kBindShard);
  EXPECT_EQ(actions[2].kind, ActionKind::kDeclareShard);
  EXPECT_EQ(actions[3].kind, ActionKind::kBindShard);
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

TEST(Status, WithoutDeletionATemplateIsNotRolled) {
  WatchedCluster cluster = Converged(kOne);
  cluster.limits.never_delete = true;
  const Plan plan = cluster.Look(CatalogOf(R"({"queue": {"arguments": {"x-message-ttl": 5}}})"));
  EXPECT_TRUE(plan.empty());
  EXPECT_TRUE(FindCondition(plan.streams.at(0), "DeletionOff"));
}

TEST(Rebind, ChangesTheWeightOfOneShardAPlanByUnbindingFirst) {
  WatchedCluster cluster = Converged(kOne);
  AddBinding(cluster.topology, "shard.x", "mine", "1");  // Beside it weights are not divided.
  const auto catalog = CatalogOf(R"({"routing-key": "20"})");
  const Plan plan = cluster.Look(catalog);
  EXPECT_EQ(Lines(plan),
            (Texts{"unbind queue 'stream: shard.x - r1@h - 0' from exchange 'shard.x' with routing key '1'",
                   "bind queue 'stream: shard.x - r1@h - 0' to exchange 'shard.x' with routing key "
                   "'20'"}));
  EXPECT_TRUE(FindCondition(plan.streams.at(0), "Reweighting"));
  EXPECT_EQ(cluster.Converge(catalog), 3);
  EXPECT_EQ(FindShard(cluster.Look(catalog), ShardName("shard.x", "r3@h", 0)).bound_key, "20");
}

TEST(Rebind, ALoneShardKeepsItsWeight) {
  WatchedCluster cluster = Converged(kOne, "x-consistent-hash", {"r1@h"});
  AddBinding(cluster.topology, "shard.x", "mine", "1");
  const Plan plan = cluster.Look(CatalogOf(R"({"routing-key": "20"})"));
  EXPECT_TRUE(plan.empty());
  EXPECT_TRUE(FindCondition(plan.streams.at(0), "LoneShard"));
}

TEST(Rebind, ALiteralKeyIsBoundBeforeTheOldOneGoes) {
  WatchedCluster cluster = Converged(kOne, "x-modulus-hash", {"r1@h"});
  const Plan plan = cluster.Look(CatalogOf(R"({"routing-key": "20"})"));
  EXPECT_EQ(Lines(plan),
            (Texts{"bind queue 'stream: shard.x - r1@h - 0' to exchange 'shard.x' with routing key '20'",
                   "unbind queue 'stream: shard.x - r1@h - 0' from exchange 'shard.x' with routing key '10000'"}));
}

TEST(Rebind, ADoubleBindingIsTakenAwayAndBoundOnce) {
  WatchedCluster cluster = Converged(kOne);
  AddBinding(cluster.topology, "shard.x", ShardName("shard.x", "r1@h", 0), "5");
  const Plan plan = cluster.Look(CatalogOf(kOne));
  EXPECT_TRUE(FindCondition(plan.streams.at(0), "DoubleBinding"));
  ASSERT_EQ(plan.action_count(), 6U);  // Exchange, mark, two unbinds, unmark, bind.
  EXPECT_EQ(plan.streams.at(0).actions[5].kind, ActionKind::kBindShard);
  EXPECT_EQ(cluster.Converge(CatalogOf(kOne)), 1);
  EXPECT_EQ(Bound(cluster), 3U);
}

TEST(Rebind, ARandomExchangeLosesTheSecondBindingAlone) {
  WatchedCluster cluster = Converged(kOne, "x-random", {"r1@h"});
  AddBinding(cluster.topology, "shard.x", ShardName("shard.x", "r1@h", 0), "5");
  EXPECT_EQ(Lines(cluster.Look(CatalogOf(kOne))),
            (Texts{"unbind queue 'stream: shard.x - r1@h - 0' from exchange 'shard.x' with routing key '5'"}));
}

TEST(EmptyPlace, IsRecognisedByTheRemovalOfASecondBinding) {
  WatchedCluster cluster = Converged(kOne);
  const std::string name = ShardName("shard.x", "r1@h", 0);
  cluster.history.NoteUnbound("/", "shard.x", name, "1");  // The binding that is known: somebody unbinds the shard.
  EXPECT_TRUE(cluster.Look(CatalogOf(kOne)).empty());
  cluster.history.NoteUnbound("/", "shard.x", name, "7");  // Another one, which came and went unseen.
  const Plan plan = cluster.Look(CatalogOf(kOne));
  EXPECT_TRUE(FindCondition(plan.streams.at(0), "EmptyRingPlace"));
  EXPECT_EQ(plan.action_count(), 2U);
  cluster.history.NoteRebound("/", name, cluster.topology.observed_at_ms);
  EXPECT_TRUE(cluster.Look(CatalogOf(kOne)).empty());
}

TEST(EmptyPlace, IsRecognisedByLooksAlone) {
  WatchedCluster cluster = Converged(kOne);
  AddBinding(cluster.topology, "shard.x", ShardName("shard.x", "r1@h", 0), "5");
  cluster.Look(CatalogOf(kOne));
  cluster.topology.bindings.pop_back();
  EXPECT_TRUE(FindCondition(cluster.Look(CatalogOf(kOne)).streams.at(0), "EmptyRingPlace"));
}

TEST(EmptyPlace, IsRecognisedByACounterThatStandsStillWhileAllOthersRise) {
  WatchedCluster cluster = Converged(kOne);
  for (Queue& queue : cluster.topology.queues) queue.published = 1'000;
  cluster.Look(CatalogOf(kOne), 120'000);
  for (Queue& queue : cluster.topology.queues) queue.published = 1'500;
  const std::string flat = ShardName("shard.x", "r2@h", 0);
  FindQueue(cluster.topology, flat)->published = 1'000;
  EXPECT_TRUE(cluster.Look(CatalogOf(kOne), 19'000).empty());  // Too early: counters are statistics, and old.
  const Plan plan = cluster.Look(CatalogOf(kOne), 2'000);
  ASSERT_EQ(plan.action_count(), 2U);
  EXPECT_EQ(plan.streams.at(0).actions[0].queue, flat);
  cluster.history.NoteRebound("/", flat, cluster.topology.observed_at_ms);
  EXPECT_TRUE(cluster.Look(CatalogOf(kOne), 2'000).empty());  // Once is enough.
}

TEST(EmptyPlace, ACounterThatComesLateHasRisen) {
  WatchedCluster cluster = Converged(kOne);
  for (Queue& queue : cluster.topology.queues) queue.published = 1'000;
  Queue& late = cluster.topology.queues[0];
  late.published.reset();
  cluster.Look(CatalogOf(kOne), 120'000);
  for (Queue& queue : cluster.topology.queues) queue.published = 1'500;
  late.published = 400;
  cluster.Look(CatalogOf(kOne), 19'500);
  EXPECT_TRUE(cluster.Look(CatalogOf(kOne), 1'000).empty());
}

TEST(EmptyPlace, IsRecognisedBesideAShardThatWasBoundJustNow) {
  WatchedCluster cluster = Converged(kOne);
  for (Queue& queue : cluster.topology.queues) queue.published = 1'000;
  cluster.Look(CatalogOf(kOne), 120'000);
  cluster.history.NoteRebound("/", ShardName("shard.x", "r1@h", 0), cluster.topology.observed_at_ms + 1);
  const std::string flat = ShardName("shard.x", "r2@h", 0);
  for (Queue& queue : cluster.topology.queues) queue.published = queue.name == flat ? 1'000 : 1'500;
  const Plan plan = cluster.Look(CatalogOf(kOne), 21'000);
  ASSERT_EQ(plan.action_count(), 2U);
  EXPECT_EQ(plan.streams.at(0).actions[0].queue, flat);
}

TEST(EmptyPlace, AQuietSiblingProvesNothing) {
  WatchedCluster cluster = Converged(kOne);
  for (Queue& queue : cluster.topology.queues) queue.published = 0;
  cluster.Look(CatalogOf(kOne), 120'000);
  cluster.topology.queues[0].published = 5'000;
  cluster.topology.queues[1].published = 99;
  EXPECT_TRUE(cluster.Look(CatalogOf(kOne), 20'000).empty());
  cluster.topology.queues[1].published = 0;  // One key, one shard: two of three are quiet.
  EXPECT_TRUE(cluster.Look(CatalogOf(kOne), 1'000).empty());
}

TEST(Roll, ReplacesOneShardAfterTheOtherAndMarksItFirst) {
  WatchedCluster cluster = Converged(kOne);
  const auto changed = CatalogOf(R"({"queue": {"arguments": {"x-message-ttl": 5}}})");
  Plan plan = cluster.Look(changed);
  EXPECT_EQ(Lines(plan),
            (Texts{"declare exchange 'warren.draining' (direct, durable)",
                   "mark queue 'stream: shard.x - r1@h - 0' as being drained",
                   "unbind queue 'stream: shard.x - r1@h - 0' from exchange 'shard.x' with routing key '1'"}));
  EXPECT_TRUE(FindCondition(plan.streams.at(0), "Rolling"));
  Apply(plan, cluster.topology);
  FindQueue(cluster.topology, ShardName("shard.x", "r1@h", 0))->ready = 3;
  plan = cluster.Look(changed);
  EXPECT_TRUE(plan.empty()) << "one after the other";
  EXPECT_EQ(plan.streams.at(0).state(), "progressing");
  EXPECT_EQ(FindShard(plan, ShardName("shard.x", "r1@h", 0)).state, ShardState::kDraining);
  FindQueue(cluster.topology, ShardName("shard.x", "r1@h", 0))->ready = 0;
  cluster.Converge(changed);
  for (const Queue& queue : cluster.topology.queues) EXPECT_TRUE(queue.arguments.contains("x-message-ttl"));
  EXPECT_EQ(cluster.Look(changed).streams.at(0).state(), "ready");
}

TEST(Roll, GoesOnAfterARestartAndBackWhenTheTemplateIsBack) {
  WatchedCluster cluster = Converged(kOne);
  const auto changed = CatalogOf(R"({"queue": {"type": "quorum"}})");
  Apply(cluster.Look(changed), cluster.topology);
  cluster.history = {};
  Plan plan = cluster.Look(changed);
  EXPECT_EQ(FindShard(plan, ShardName("shard.x", "r1@h", 0)).state, ShardState::kDraining);
  cluster.Converge(CatalogOf(kOne));
  EXPECT_TRUE(cluster.Look(CatalogOf(kOne)).empty());
  for (const Binding& binding : cluster.topology.bindings) EXPECT_EQ(binding.source, "shard.x");
}

TEST(Roll, ALoneShardIsNotRolled) {
  WatchedCluster cluster = Converged(kOne, "x-random", {"r1@h"});
  const Plan plan = cluster.Look(CatalogOf(R"({"queue": {"durable": false}})"));
  EXPECT_TRUE(plan.empty());
  EXPECT_TRUE(FindCondition(plan.streams.at(0), "LoneShard"));
}

TEST(Placement, AMisplacedShardIsDrainedAndDeclaredAgain) {
  WatchedCluster cluster = Converged(kOne);
  const std::string name = ShardName("shard.x", "r1@h", 0);
  FindQueue(cluster.topology, name)->node = "r3@h";
  EXPECT_TRUE(FindCondition(cluster.Look(CatalogOf(kOne)).streams.at(0), "Misplaced"));
  cluster.Converge(CatalogOf(kOne));
  EXPECT_EQ(FindQueue(cluster.topology, name)->node, "r1@h");
}

TEST(Placement, ThePolicyThatMovesAShardIsNamedAndNotFought) {
  WatchedCluster cluster = Converged(kOne);
  Queue& queue = cluster.topology.queues[0];
  queue.node = "r3@h";
  queue.policy = "min";
  queue.policy_definition = {{"queue-master-locator", "min-masters"}};
  const Plan plan = cluster.Look(CatalogOf(kOne));
  EXPECT_TRUE(plan.empty());
  const Condition* condition = FindCondition(plan.streams.at(0), "Misplaced");
  ASSERT_TRUE(condition);
  EXPECT_NE(condition->message.find("policy 'min' sets queue-master-locator \"min-masters\""), std::string::npos);
  EXPECT_EQ(plan.streams.at(0).state(), "degraded");
}

TEST(Placement, AShardThatIsPutThereAgainIsUsedWhereItIs) {
  WatchedCluster cluster = Converged(kOne);
  const std::string name = ShardName("shard.x", "r1@h", 0);
  FindQueue(cluster.topology, name)->node = "r3@h";
  int declared = 0;
  for (int round = 0; round < 40; ++round) {
    const Plan plan = cluster.Look(CatalogOf(kOne));
    Apply(plan, cluster.topology);
    for (const StreamPlan& stream : plan.streams) {
      for (const Action& action : stream.actions) declared += action.kind == ActionKind::kDeclareShard ? 1 : 0;
    }
    if (Queue* queue = FindQueue(cluster.topology, name)) queue->node = "r3@h";
  }
  EXPECT_EQ(declared, 1);
  const Plan plan = cluster.Look(CatalogOf(kOne));
  EXPECT_TRUE(FindShard(plan, name).bound);
  EXPECT_TRUE(FindCondition(plan.streams.at(0), "Misplaced"));
}

TEST(Placement, AQuorumShardWhoseLeaderMovedIsFine) {
  const char* quorum = R"({"queue": {"type": "quorum"}})";
  WatchedCluster cluster = Converged(quorum);
  cluster.topology.queues[0].members = kThree;
  cluster.topology.queues[0].node = "r3@h";
  const Plan plan = cluster.Look(CatalogOf(quorum));
  EXPECT_TRUE(plan.empty());
  EXPECT_EQ(plan.streams.at(0).state(), "ready");
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
  cluster = Converged(kOne, "x-modulus-hash");
  EXPECT_NEAR(cluster.Look(CatalogOf(kTwo)).streams.at(0).moved_keys->least, 0.5, 0.01);
}

}  // namespace
}  // namespace warren
