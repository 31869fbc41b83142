// Stable placement: which steps a stream with it takes, and that on none of them a place in the ring leads nowhere or
// to two queues.
#include <gtest/gtest.h>

#include "tests/unit/plan/stable_stream.h"

namespace warren {
namespace {

/// Converges, looking at the routes after each action: none may lead nowhere.
void ConvergeWatched(WatchedCluster& cluster, const policies::Catalog& catalog, const std::string& what) {
  for (int round = 0; round < 60; ++round) {
    const Plan plan = cluster.Look(catalog);
    if (plan.empty() && !plan.next_look_ms()) return;
    for (const StreamPlan& stream : plan.streams) {
      for (const Action& action : stream.actions) {
        Apply(action, cluster.topology);
        ASSERT_FALSE(Routes(cluster.topology).empty()) << what << ": " << action.ToString();
        for (const auto& [place, ends] : Routes(cluster.topology)) {
          ASSERT_FALSE(ends.contains("")) << what << ": " << place << " leads nowhere after: " << action.ToString();
        }
      }
    }
  }
  FAIL() << what << " does not converge";
}

std::size_t ShardExchanges(const Topology& topology) {
  const auto& all = topology.exchanges;
  return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), IsShardExchange));
}

TEST(StablePlacement, IsBuiltFromTheQueueToTheRing) {
  WatchedCluster cluster;
  cluster.topology = DrawCluster({"r1@h", "r2@h"}, {"shard.x"});
  EXPECT_EQ(
      Lines(cluster.Look(CatalogOf(kStableOne))),
      (Texts{"declare exchange 'stream: shard.x - r1@h - 0 alternate' (x-consistent-hash, durable)",
             "declare exchange 'stream: shard.x - r1@h - 0' (fanout, durable)",
             "declare exchange 'stream: shard.x - r2@h - 0 alternate' (x-consistent-hash, durable)",
             "declare exchange 'stream: shard.x - r2@h - 0' (fanout, durable)",
             "bind exchange 'stream: shard.x - r2@h - 0' to exchange 'stream: shard.x - r1@h - 0 alternate' with "
             "routing key '1'",
             "bind exchange 'stream: shard.x - r1@h - 0' to exchange 'stream: shard.x - r2@h - 0 alternate' with "
             "routing key '1'",
             "declare queue 'stream: shard.x - r1@h - 0' on r1@h (classic, durable)",
             "declare queue 'stream: shard.x - r2@h - 0' on r2@h (classic, durable)",
             "bind queue 'stream: shard.x - r1@h - 0' to exchange 'stream: shard.x - r1@h - 0' with routing key ''",
             "bind queue 'stream: shard.x - r2@h - 0' to exchange 'stream: shard.x - r2@h - 0' with routing key ''",
             "bind exchange 'stream: shard.x - r1@h - 0' to exchange 'shard.x' with routing key '1'",
             "bind exchange 'stream: shard.x - r2@h - 0' to exchange 'shard.x' with routing key '1'"}));
}

TEST(StablePlacement, NothingIsDoneWhenNodesDieNorWhenTheyReturn) {
  WatchedCluster cluster = Converged(kStable);
  const auto catalog = CatalogOf(kStable);
  const auto routes = Routes(cluster.topology);
  const auto first = Kill(cluster.topology, "r1@h");
  EXPECT_EQ(Lines(cluster.Look(catalog)), Texts{});
  for (const auto& [place, ends] : Routes(cluster.topology)) EXPECT_EQ(ends.size(), 1U) << place;
  const auto second = Kill(cluster.topology, "r3@h");
  const Plan plan = cluster.Look(catalog);
  EXPECT_EQ(Lines(plan), Texts{});
  EXPECT_NE(FindShard(plan, Name("r1@h", 0)).detail.find("its messages go to"), std::string::npos);
  for (const auto& [place, ends] : Routes(cluster.topology)) EXPECT_FALSE(ends.contains("")) << place;
  Return(cluster.topology, "r1@h", first);
  Return(cluster.topology, "r3@h", second);
  EXPECT_EQ(Lines(cluster.Look(catalog)), Texts{});
  EXPECT_EQ(Routes(cluster.topology), routes);
}

TEST(StablePlacement, ADrainTakesTheQueueAloneAndItsEndBringsItBack) {
  WatchedCluster cluster = Converged(kStable);
  const auto routes = Routes(cluster.topology);
  ConvergeWatched(cluster, CatalogOf(kStable, {"r2@h"}), "drain");
  EXPECT_EQ(FindQueue(cluster.topology, Name("r2@h", 0)), nullptr);
  EXPECT_EQ(Routes(cluster.topology).size(), routes.size());
  EXPECT_EQ(ShardExchanges(cluster.topology), 12U);
  ConvergeWatched(cluster, CatalogOf(kStable), "undrain");
  EXPECT_EQ(Routes(cluster.topology), routes);
}

TEST(StablePlacement, FewerShardsOrAForgottenNodeTakeTheirPlacesWithThem) {
  WatchedCluster cluster = Converged(kStable);
  ConvergeWatched(cluster, CatalogOf(kStableOne), "fewer");
  EXPECT_EQ(Routes(cluster.topology).size(), 3U);
  EXPECT_EQ(ShardExchanges(cluster.topology), 6U);
  (void)Kill(cluster.topology, "r3@h");
  std::erase_if(cluster.topology.nodes, [](const Node& node) { return node.name == "r3@h"; });
  std::erase_if(cluster.topology.queues, [](const Queue& queue) { return queue.node == "r3@h"; });
  ConvergeWatched(cluster, CatalogOf(kStableOne), "forgotten");
  EXPECT_EQ(Routes(cluster.topology).size(), 2U);
  EXPECT_EQ(ShardExchanges(cluster.topology), 4U);
}

TEST(StablePlacement, ChangesThereAndBackWithoutAPlaceThatLeadsNowhere) {
  for (const int nodes : {1, 2, 3, 4}) {
    const std::vector<std::string> names(kThree.begin(), kThree.begin() + std::min(nodes, 3));
    WatchedCluster cluster = Converged(kTwo, "x-consistent-hash", names);
    const auto queues = cluster.topology.queues.size();
    const std::string what = std::to_string(nodes) + " nodes, ";
    ConvergeWatched(cluster, CatalogOf(kStable), what + "to stable");
    EXPECT_EQ(ShardExchanges(cluster.topology), 2 * queues);
    for (const Binding& b : cluster.topology.bindings) EXPECT_TRUE(b.source != "shard.x" || !b.to_queue);
    ConvergeWatched(cluster, CatalogOf(kTwo), what + "to ring");
    EXPECT_EQ(ShardExchanges(cluster.topology), 0U);
    EXPECT_EQ(cluster.topology.bindings.size(), queues);
  }
}

TEST(StablePlacement, ChangesBackWhileANodeIsDownAndEndsTheSameOnceItIsBack) {
  WatchedCluster cluster = Converged(kStable);
  const auto hidden = Kill(cluster.topology, "r2@h");
  ConvergeWatched(cluster, CatalogOf(kTwo), "to ring, one node down");
  EXPECT_EQ(Routes(cluster.topology).size(), 4U);
  EXPECT_EQ(ShardExchanges(cluster.topology), 4U) << "their queues hide that they are in use";
  Return(cluster.topology, "r2@h", hidden);
  ConvergeWatched(cluster, CatalogOf(kTwo), "to ring, all back");
  EXPECT_EQ(Routes(cluster.topology).size(), 6U);
  EXPECT_EQ(ShardExchanges(cluster.topology), 0U);
}

TEST(StablePlacement, ATemplateIsRolledWithoutAKeyLeavingForGood) {
  WatchedCluster cluster = Converged(kStable);
  const auto routes = Routes(cluster.topology);
  ConvergeWatched(
      cluster,
      CatalogOf(R"({"shards-per-node": 2, "placement": "stable", "queue": {"arguments": {"x-max-length": 9}}})"),
      "roll");
  for (const Queue& queue : cluster.topology.queues) EXPECT_EQ(queue.arguments["x-max-length"], 9);
  EXPECT_EQ(Routes(cluster.topology), routes);
}

TEST(StablePlacement, APlaceBoundTwiceInTheRingIsBoundAnewAndTheQueueStaysFed) {
  WatchedCluster cluster = Converged(kStable);
  AddBinding(cluster.topology, "shard.x", Name("r2@h", 1), "7", false);
  const Plan plan = cluster.Look(CatalogOf(kStable));
  EXPECT_TRUE(FindCondition(plan.streams[0], "DoubleBinding"));
  EXPECT_LT(cluster.Converge(CatalogOf(kStable)), 9);
  for (const auto& [place, ends] : Routes(cluster.topology)) EXPECT_EQ(ends.size(), 1U) << place;
  EXPECT_EQ(Bound(cluster), 6U);
}

TEST(StablePlacement, AnAlternateThatSomebodyMovedIsPutRight) {
  WatchedCluster cluster = Converged(kStable);
  const auto routes = Routes(cluster.topology);
  for (Binding& binding : cluster.topology.bindings) {
    if (binding.source == AlternateName(Name("r1@h", 0))) binding.destination = Name("r1@h", 1);
  }
  const auto lines = Lines(cluster.Look(CatalogOf(kStable)));
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].substr(0, 4), "bind") << "before the other is taken away, or messages would be lost";
  EXPECT_EQ(lines[1].substr(0, 6), "unbind");
  ConvergeWatched(cluster, CatalogOf(kStable), "alternate");
  EXPECT_EQ(Routes(cluster.topology), routes);
}

TEST(StablePlacement, IsForConsistentHashExchangesAlone) {
  WatchedCluster cluster;
  cluster.topology = DrawCluster(kThree, {"shard.x"}, "x-random");
  const Plan plan = cluster.Look(CatalogOf(kStable));
  EXPECT_TRUE(plan.empty());
  EXPECT_TRUE(FindCondition(plan.streams.at(0), "PlacementNotPossible"));
  EXPECT_EQ(plan.streams[0].state(), "not-ready");
}

TEST(StablePlacement, LeavesAnExchangeOfItsNameAloneThatIsAnotherOne) {
  WatchedCluster cluster;
  cluster.topology = DrawCluster(kThree, {"shard.x", Name("r1@h", 0)}, "x-consistent-hash");
  const Plan plan = cluster.Look(CatalogOf(kStable));
  EXPECT_TRUE(plan.empty());
  EXPECT_TRUE(FindCondition(plan.streams.at(0), "ShardExchangeMismatch"));
  cluster.Converge(CatalogOf(kTwo));
  EXPECT_EQ(cluster.topology.exchanges.size(), 2U);
}

TEST(StablePlacement, KeepsExchangesThatSomebodyElseUses) {
  WatchedCluster cluster = Converged(kStable);
  AddBinding(cluster.topology, Name("r1@h", 0), "a tap of somebody", "");
  ConvergeWatched(cluster, CatalogOf(kTwo), "to ring");
  EXPECT_EQ(ShardExchanges(cluster.topology), 2U);
}

TEST(StablePlacement, RefusesNamesThatLeaveNoRoomForTheAlternates) {
  const std::string exchange = "shard." + std::string(225, 'x');  // Its shards' names fit, by five bytes.
  Topology topology = DrawCluster({"r1@h"}, {exchange});
  EXPECT_FALSE(FindCondition(MakePlan(CatalogOf(kOne), topology, {}).streams.at(0), "NameTooLong"));
  EXPECT_TRUE(FindCondition(MakePlan(CatalogOf(kStableOne), topology, {}).streams.at(0), "NameTooLong"));
}

TEST(StablePlacement, PlacesWithNamesOfThePluginsStyleAreReported) {
  constexpr const char* kPluginsNames = R"({"shards-per-node": 1, "placement": "stable", "names": "sharding"})";
  WatchedCluster cluster = Converged(kPluginsNames);
  EXPECT_FALSE(FindCondition(cluster.Look(CatalogOf(kPluginsNames)).streams.at(0), "ShardingQueues"));
  const Plan plan = cluster.Look(CatalogOf(kStableOne));
  const Condition* condition = FindCondition(plan.streams.at(0), "ShardingQueues");
  ASSERT_TRUE(condition);
  EXPECT_NE(condition->message.find("'sharding: shard.x - "), std::string::npos) << condition->message;
}

TEST(StablePlacement, DeletingTheStreamLeavesNothing) {
  WatchedCluster cluster = Converged(kStable);
  const auto nothing = policies::Catalog::Build({});
  EXPECT_EQ(cluster.Look(nothing).streams.at(0).state(), "orphaned");
  EXPECT_TRUE(cluster.Look(nothing).empty());
  cluster.limits.remove = {{"/", "shard.x"}};
  cluster.Converge(nothing);
  EXPECT_TRUE(cluster.topology.queues.empty());
  EXPECT_TRUE(cluster.topology.bindings.empty());
  EXPECT_EQ(ShardExchanges(cluster.topology), 0U);
}

TEST(StablePlacement, AnExchangeThatIsDeletedTakesItsPlacesAndBringsThemBack) {
  WatchedCluster cluster = Converged(kStable);
  const auto routes = Routes(cluster.topology);
  const auto exchange = cluster.topology.exchanges.front();
  ASSERT_EQ(exchange.name, "shard.x");
  cluster.topology.exchanges.erase(cluster.topology.exchanges.begin());
  std::erase_if(cluster.topology.bindings, [](const Binding& binding) { return binding.source == "shard.x"; });
  FindQueue(cluster.topology, Name("r1@h", 0))->ready = 3;
  EXPECT_LT(cluster.Converge(CatalogOf(kStable)), 50);
  EXPECT_EQ(cluster.topology.queues.size(), 1U) << "the one that holds messages";
  EXPECT_EQ(ShardExchanges(cluster.topology), 0U);
  cluster.topology.exchanges.push_back(exchange);
  EXPECT_LT(cluster.Converge(CatalogOf(kStable)), 50);
  EXPECT_EQ(Routes(cluster.topology), routes);
}

TEST(StablePlacement, TheForecastOfADrainIsTheShareOfItsKeys) {
  WatchedCluster cluster = Converged(kStable);
  const Plan drain = cluster.Look(CatalogOf(kStable, {"r3@h"}));
  ASSERT_TRUE(drain.streams[0].moved_keys);
  EXPECT_NEAR(drain.streams[0].moved_keys->least, 1.0 / 3, 0.03);
  EXPECT_NEAR(drain.streams[0].moved_keys->most, 1.0 / 3, 0.03);
  WatchedCluster ring = Converged(kTwo);
  const Plan other = ring.Look(CatalogOf(kTwo, {"r3@h"}));
  ASSERT_TRUE(other.streams[0].moved_keys);
  EXPECT_GT(other.streams[0].moved_keys->most, 0.4);
}

TEST(StablePlacement, TheForecastOfAChangeOfPlacementIsThatNothingMovesInTheEnd) {
  WatchedCluster cluster = Converged(kTwo);
  const Plan plan = cluster.Look(CatalogOf(kStable));
  ASSERT_TRUE(plan.streams[0].moved_keys);
  EXPECT_EQ(plan.streams[0].moved_keys->least, 0);
}

}  // namespace
}  // namespace warren
