// Shards that are bound anew, rolled or put back on their node.
#include <gtest/gtest.h>

#include "tests/unit/plan/watched_stream.h"

namespace warren {
namespace {

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
  cluster.history.NoteUnbound("/", {"shard.x"}, name, "1");  // The binding that is known: somebody unbinds the shard.
  EXPECT_TRUE(cluster.Look(CatalogOf(kOne)).empty());
  cluster.history.NoteUnbound("/", {"shard.x"}, name, "7");  // Another one, which came and went unseen.
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

TEST(Roll, AShardThatLostItsBindingBeforeItsTurnIsStillWarrens) {
  WatchedCluster cluster = Converged(kOne);
  cluster.Look(CatalogOf(kOne));
  cluster.topology.bindings.clear();  // Somebody deleted the exchange and declared it again.
  const auto changed = CatalogOf(R"({"queue": {"arguments": {"x-message-ttl": 5}}})");
  const Plan plan = cluster.Look(changed);
  EXPECT_FALSE(FindCondition(plan.streams.at(0), "QueueConflict"));
  EXPECT_EQ(FindShard(plan, ShardName("shard.x", "r1@h", 0)).state, ShardState::kDraining);
  cluster.Converge(changed);
  for (const Queue& queue : cluster.topology.queues) EXPECT_TRUE(queue.arguments.contains("x-message-ttl"));
}

TEST(Roll, AQueueThatSomebodyDeclaredInPlaceOfAShardIsNotWarrens) {
  WatchedCluster cluster = Converged(kOne);
  cluster.Look(CatalogOf(kOne));
  const std::string name = ShardName("shard.x", "r1@h", 0);
  std::erase_if(cluster.topology.bindings, [&](const Binding& binding) { return binding.destination == name; });
  FindQueue(cluster.topology, name)->arguments = {{"x-max-length", 1}};
  EXPECT_EQ(FindShard(cluster.Look(CatalogOf(kOne)), name).state, ShardState::kConflict);
}

}  // namespace
}  // namespace warren
