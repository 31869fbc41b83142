// Properties over random clusters, from fixed seeds: convergence, order, bounds, no action where a node
// takes nothing.
#include <gtest/gtest.h>

#include <random>

#include "shardmgr/plan/json.h"
#include "tests/unit/plan/drawn_cluster.h"

namespace warren {
namespace {

constexpr unsigned kSeeds = 300;

struct Drawn {
  Topology topology;
  PlanLimits limits;
  std::string definition;
};

Drawn Draw(unsigned seed) {
  std::mt19937 random(seed);
  const auto below = [&](unsigned n) { return static_cast<int>(random() % n); };
  Drawn drawn;
  const std::vector<std::string> types = {"x-consistent-hash", "x-random", "x-modulus-hash", "topic"};
  drawn.topology = DrawCluster({"a@h", "b@h", "c@h"}, {"shard.1", "shard.2", "plain"}, types[random() % types.size()]);
  const int shards = 1 + below(3);
  drawn.definition = "{\"shards-per-node\":" + std::to_string(shards) + (below(2) ? ",\"http\":true}" : "}");
  for (Node& node : drawn.topology.nodes) {
    node.running = below(5) != 0;
    if (below(6) == 0) node.maintenance = true;
    if (below(6) == 0) drawn.limits.unreachable_nodes.push_back(node.name);
  }
  for (int i = 0; i < 6; ++i) {
    const std::string name = ShardName("shard.1", below(2) ? "a@h" : "gone@h", below(4));
    if (below(2)) AddBinding(drawn.topology, "shard.1", name, std::to_string(below(3)));
    if (below(2)) continue;
    Action declare;
    declare.vhost = "/";
    declare.queue = name;
    declare.node = below(2) ? "a@h" : "b@h";
    Apply(declare, drawn.topology);
  }
  return drawn;
}

TEST(MakePlanProperty, AppliedOnceThereIsNothingLeftToDo) {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    Drawn drawn = Draw(seed);
    const auto catalog = CatalogOf(drawn.definition);
    Apply(MakePlan(catalog, drawn.topology, drawn.limits), drawn.topology);
    EXPECT_TRUE(MakePlan(catalog, drawn.topology, drawn.limits).empty()) << seed;
  }
}

TEST(MakePlanProperty, ABoundedPlanConvergesInRounds) {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    Drawn drawn = Draw(seed);
    drawn.limits.max_actions = 3;
    const auto catalog = CatalogOf(drawn.definition);
    int rounds = 0;
    for (Plan plan = MakePlan(catalog, drawn.topology, drawn.limits); !plan.empty() && rounds < 30; ++rounds) {
      EXPECT_LE(plan.action_count(), 3U);
      Apply(plan, drawn.topology);
      plan = MakePlan(catalog, drawn.topology, drawn.limits);
    }
    EXPECT_LT(rounds, 30) << seed;
  }
}

TEST(MakePlanProperty, TheOrderOfTheObservationDoesNotMatter) {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    Drawn drawn = Draw(seed);
    std::sort(drawn.topology.queues.begin(), drawn.topology.queues.end(),
              [](const Queue& a, const Queue& b) { return a.name < b.name; });
    const auto same = [](const Queue& a, const Queue& b) { return a.name == b.name; };
    drawn.topology.queues.erase(std::unique(drawn.topology.queues.begin(), drawn.topology.queues.end(), same),
                                drawn.topology.queues.end());
    const auto catalog = CatalogOf(drawn.definition);
    const auto plan = ToJson(MakePlan(catalog, drawn.topology, drawn.limits));
    std::mt19937 random(seed);
    std::shuffle(drawn.topology.nodes.begin(), drawn.topology.nodes.end(), random);
    std::shuffle(drawn.topology.queues.begin(), drawn.topology.queues.end(), random);
    std::shuffle(drawn.topology.bindings.begin(), drawn.topology.bindings.end(), random);
    std::shuffle(drawn.topology.exchanges.begin(), drawn.topology.exchanges.end(), random);
    EXPECT_EQ(ToJson(MakePlan(catalog, drawn.topology, drawn.limits)), plan) << seed;
  }
}

TEST(MakePlanProperty, NothingIsDoneOnANodeThatTakesNothing) {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    const Drawn drawn = Draw(seed);
    for (const StreamPlan& stream : MakePlan(CatalogOf(drawn.definition), drawn.topology, drawn.limits).streams) {
      for (const Action& action : stream.actions) {
        const auto& nodes = drawn.topology.nodes;
        const auto node =
            std::find_if(nodes.begin(), nodes.end(), [&](const Node& n) { return n.name == action.node; });
        ASSERT_NE(node, nodes.end());
        EXPECT_TRUE(node->running && !node->maintenance.value_or(false)) << seed;
        const auto& unreachable = drawn.limits.unreachable_nodes;
        EXPECT_EQ(std::count(unreachable.begin(), unreachable.end(), action.node), 0) << seed;
      }
    }
  }
}

}  // namespace
}  // namespace warren
