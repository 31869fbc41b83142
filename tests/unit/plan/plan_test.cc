// Scenarios: a drawn cluster, and what has to be done and said about it.
#include "shardmgr/plan/plan.h"

#include <gtest/gtest.h>

#include "shardmgr/plan/json.h"
#include "tests/unit/plan/drawn_cluster.h"

namespace warren {
namespace {

constexpr const char* kOriginal = R"({"local-username": "guest", "shards-per-node": 2, "routing-key": "1234"})";
const std::vector<std::string> kThree = {"r1@h", "r2@h", "r3@h"};

Plan PlanOf(const std::string& definition, const Topology& topology, const PlanLimits& limits = {}) {
  return MakePlan(CatalogOf(definition), topology, limits);
}

/// Three nodes with everything applied for `definition`.
Topology Converged(const std::string& definition, const std::string& type = "x-consistent-hash") {
  Topology topology = DrawCluster(kThree, {"shard.x"}, type);
  Apply(PlanOf(definition, topology), topology);
  return topology;
}

TEST(MakePlan, GivesTheSixShardsOfTheOriginalDocumentation) {
  const Plan plan = PlanOf(kOriginal, DrawCluster({"r2@h", "r3@h", "r1@h"}, {"shard.x", "other"}));
  ASSERT_EQ(plan.streams.size(), 1U);
  std::vector<std::string> lines;
  for (const Action& action : plan.streams[0].actions) lines.push_back(action.ToString());
  ASSERT_EQ(lines.size(), 12U);
  EXPECT_EQ(lines[0], "declare queue 'stream: shard.x - r1@h - 0' on r1@h (classic, durable)");
  EXPECT_EQ(lines[5], "declare queue 'stream: shard.x - r3@h - 1' on r3@h (classic, durable)");
  EXPECT_EQ(lines[6], "bind queue 'stream: shard.x - r1@h - 0' to exchange 'shard.x' with routing key '1'");
  EXPECT_EQ(lines[9], "bind queue 'stream: shard.x - r1@h - 1' to exchange 'shard.x' with routing key '1'");
  EXPECT_EQ(plan.streams[0].state(), "progressing");
}

TEST(MakePlan, IsEmptyAndReadyOnAConvergedCluster) {
  for (const char* type : {"x-consistent-hash", "x-random", "x-modulus-hash"}) {
    const Plan plan = PlanOf(kOriginal, Converged(kOriginal, type));
    EXPECT_TRUE(plan.empty());
    EXPECT_EQ(plan.streams[0].state(), "ready");
    EXPECT_TRUE(FindCondition(plan.streams[0], "ShardsActive"));
  }
}

TEST(MakePlan, BindsByTheExchangeType) {
  const auto key = [](const char* type) {
    return PlanOf(R"({"routing-key":"50"})", DrawCluster({"n@h"}, {"shard.x"}, type)).streams[0].actions[1].routing_key;
  };
  EXPECT_EQ(key("x-consistent-hash"), "1");
  EXPECT_EQ(key("x-random"), "");
  EXPECT_EQ(key("x-modulus-hash"), "50");
}

TEST(MakePlan, RefusesOtherExchangeTypes) {
  const Plan plan = PlanOf(kOriginal, DrawCluster(kThree, {"shard.x"}, "topic"));
  EXPECT_TRUE(plan.empty());
  EXPECT_TRUE(FindCondition(plan.streams[0], "UnsupportedExchangeType"));
  EXPECT_EQ(plan.streams[0].state(), "not-ready");
}

TEST(MakePlan, AJoiningNodeGetsItsShards) {
  Topology topology = Converged(kOriginal);
  topology.nodes.push_back(topology.nodes.back());
  topology.nodes.back().name = "r4@h";
  const Plan plan = PlanOf(kOriginal, topology);
  EXPECT_EQ(plan.action_count(), 4U);
  for (const Action& action : plan.streams[0].actions) EXPECT_EQ(action.node, "r4@h");
}

TEST(MakePlan, AStreamWithADownNodeIsReadyAndDegraded) {
  Topology topology = Converged(kOriginal);
  topology.nodes[1].running = false;
  for (Queue& queue : topology.queues) queue.state = queue.node == "r2@h" ? "down" : "running";
  const Plan plan = PlanOf(kOriginal, topology);
  EXPECT_TRUE(plan.empty());
  EXPECT_TRUE(plan.streams[0].ready());
  EXPECT_EQ(plan.streams[0].state(), "degraded");
  EXPECT_TRUE(FindCondition(plan.streams[0], "NodeDown"));
}

TEST(MakePlan, PlacesNothingOnNodesThatTakeNothing) {
  Topology topology = DrawCluster(kThree, {"shard.x"});
  topology.nodes[0].maintenance = true;
  PlanLimits limits;
  limits.unreachable_nodes = {"r2@h", "unknown@h"};
  const Plan plan = PlanOf(R"({"http":true})", topology, limits);
  EXPECT_EQ(plan.action_count(), 3U);
  EXPECT_EQ(plan.streams[0].actions[0].kind, ActionKind::kDeclareDeadLetterExchange);
  for (const Action& action : plan.streams[0].actions) EXPECT_EQ(action.node, "r3@h");
  EXPECT_TRUE(FindCondition(plan.streams[0], "NodeUnavailable"));
}

TEST(MakePlan, LeavesAConflictingQueueAloneAndNamesTheDifference) {
  Topology topology = Converged(kOriginal);
  topology.bindings.clear();
  const Plan plan = PlanOf(R"({"shards-per-node":2,"http":true,"queue":{"arguments":{"x-message-ttl":5}}})", topology);
  EXPECT_EQ(plan.action_count(), 1U);  // warren.dead alone
  const Shard& shard = plan.streams[0].shards[0];
  EXPECT_EQ(shard.state, ShardState::kConflict);
  EXPECT_EQ(shard.detail,
            "argument x-dead-letter-exchange is not set, wanted \"warren.dead\"; "
            "argument x-message-ttl is not set, wanted 5");
}

TEST(MakePlan, TakesNoShardOfAnExchangeWithALongerName) {
  Topology topology = DrawCluster(kThree, {"shard.x", "shard.x - y"});
  Apply(PlanOf(kOriginal, topology), topology);
  for (const StreamPlan& stream : PlanOf(kOriginal, topology).streams) EXPECT_EQ(stream.shards.size(), 6U);
}

TEST(MakePlan, KeepsTheRatioToForeignBindings) {
  Topology topology = DrawCluster({"n@h"}, {"shard.x"});
  AddBinding(topology, "shard.x", "mine", "10");
  EXPECT_EQ(PlanOf(R"({"routing-key":"20"})", topology).streams[0].actions[1].routing_key, "20");
  const Plan plan = PlanOf(R"({"routing-key":"20000"})", topology);
  EXPECT_TRUE(FindCondition(plan.streams[0], "WeightTooLarge"));
  EXPECT_TRUE(plan.empty());
}

TEST(MakePlan, RefusesRoutingKeysThatAreNoWeight) {
  const Topology topology = DrawCluster(kThree, {"shard.x"});
  for (const char* key : {"abc", "0", "-1", "1.5", ""}) {
    const Plan plan = PlanOf(std::string(R"({"routing-key":")") + key + "\"}", topology);
    EXPECT_TRUE(plan.empty());
    EXPECT_TRUE(FindCondition(plan.streams[0], "InvalidRoutingKey")) << key;
  }
}

TEST(MakePlan, RefusesADeadLetterExchangeOfAnotherType) {
  Topology topology = DrawCluster(kThree, {"shard.x", "warren.dead"});
  const Plan plan = PlanOf(R"({"http":true})", topology);
  EXPECT_TRUE(plan.empty());
  EXPECT_TRUE(FindCondition(plan.streams[0], "DeadLetterExchangeMismatch"));
}

TEST(MakePlan, SurvivesObservationsThatContradictThemselves) {
  Topology topology = Converged(kOriginal);
  topology.queues.erase(topology.queues.begin());  // bound, and not listed
  topology.queues[0].node.clear();
  topology.queues[1].arguments = nullptr;
  topology.vhosts.clear();
  const Plan plan = PlanOf(kOriginal, topology);
  EXPECT_EQ(plan.action_count(), 1U);
  EXPECT_EQ(plan.streams[0].actions[0].kind, ActionKind::kDeclareShard);
  ASSERT_EQ(plan.problems.size(), 1U);
  EXPECT_EQ(plan.problems[0].reason, "UnknownVhost");
  EXPECT_EQ(PlanOf(kOriginal, DrawCluster({}, {"shard.x"})).streams[0].state(), "not-ready");
}

TEST(MakePlan, HoldsAtMostMaxActions) {
  PlanLimits limits;
  limits.max_actions = 7;
  const Plan plan = PlanOf(kOriginal, DrawCluster(kThree, {"shard.x", "shard.y"}), limits);
  EXPECT_EQ(plan.action_count(), 7U);
  EXPECT_TRUE(FindCondition(plan.streams[1], "ActionLimit"));
}

TEST(ToJson, ShowsStateAndUnknownCountsAsNull) {
  Topology topology = Converged(kOriginal);
  for (Queue& queue : topology.queues) queue.ready.reset();
  const nlohmann::json plan = ToJson(PlanOf(kOriginal, topology));
  EXPECT_EQ(plan["streams"][0]["state"], "ready");
  EXPECT_EQ(plan["streams"][0]["shards"][0]["bound_key"], "1");
  EXPECT_TRUE(plan["streams"][0]["shards"][0]["messages_ready"].is_null());
}

}  // namespace
}  // namespace warren
