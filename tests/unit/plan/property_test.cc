// Properties over random clusters, from fixed seeds: convergence, order, bounds, and the invariants that every
// single action has to keep.
#include <gtest/gtest.h>

#include <random>

#include "shardmgr/plan/json.h"
#include "tests/unit/plan/drawn_cluster.h"

namespace warren {
namespace {

constexpr unsigned kSeeds = 400;
const std::vector<std::string> kNodes = {"a@h", "b@h", "c@h"};
const std::vector<std::string> kDefinitions = {
    R"({"shards-per-node": 1})",
    R"({"shards-per-node": 2, "http": true})",
    R"({"shards-per-node": 3, "routing-key": "7"})",
    R"({"shards-per-node": 2, "queue": {"type": "quorum"}})",
    R"({"shards-per-node": 1, "on-remove": "retain"})",
    R"({"shards-per-node": 2, "queue": {"durable": false, "arguments": {"x-max-length": 9}}})",
    R"({"shards-per-node": 2, "placement": "stable"})",
    R"({"shards-per-node": 1, "placement": "stable", "routing-key": "7", "on-remove": "retain"})",
    R"({"shards-per-node": 3, "placement": "stable", "queue": {"type": "quorum"}})",
};

struct Drawn {
  WatchedCluster cluster;
  std::string definition;
  std::vector<std::string> drained;

  policies::Catalog Catalog() const { return CatalogOf(definition, drained); }
};

class Drawer {
 public:
  explicit Drawer(unsigned seed) : random_(seed) {}

  Drawn Draw() {
    static const std::vector<std::string> kTypes = {"x-consistent-hash", "x-random", "x-modulus-hash", "topic"};
    Drawn drawn;
    Topology& topology = drawn.cluster.topology;
    drawn.definition = kDefinitions[Below(kDefinitions.size())];
    const bool stable = drawn.definition.find("stable") != std::string::npos;
    topology = DrawCluster(kNodes, {"shard.1", "shard.2", "plain"}, kTypes[stable && !Once(8) ? 0 : Below(4)]);
    for (Node& node : topology.nodes) {
      node.running = !Once(6);
      if (Once(8)) node.maintenance = true;
      if (Once(8)) drawn.cluster.limits.unreachable_nodes.push_back(node.name);
      if (Once(8)) drawn.drained.push_back(node.name);
    }
    if (Once(8)) std::erase_if(topology.exchanges, [](const Exchange& e) { return e.name == "shard.2"; });
    const std::string earlier = kDefinitions[Below(kDefinitions.size())];
    for (const char* exchange : {"shard.1", "shard.2", "plain"}) AddShards(topology, exchange, earlier);
    for (const char* exchange : {"shard.1", "plain"}) {
      if (Once(3)) AddPlaces(topology, exchange);
    }
    return drawn;
  }

  std::size_t Below(std::size_t n) { return random_() % n; }
  bool Once(std::size_t in) { return Below(in) == 0; }

 private:
  void AddShards(Topology& topology, const std::string& exchange, const std::string& definition) {
    const auto resolved = CatalogOf(definition).Resolve("/", "shard.1");
    static const std::vector<std::string> kHomes = {"a@h", "b@h", "c@h", "gone@h"};
    for (int i = 0; i < 8; ++i) {
      Action declare;
      declare.vhost = "/";
      declare.queue = ShardName(exchange, kHomes[Below(kHomes.size())], static_cast<int>(Below(4)));
      if (FindQueue(topology, declare.queue) != nullptr) continue;
      if (Once(2)) Bind(topology, exchange, declare.queue);
      if (Once(6)) continue;  // A binding without a queue.
      declare.node = Once(5) ? kHomes[Below(3)] : declare.queue.substr(declare.queue.find(" - ") + 3, 3);
      if (declare.node == "gon") declare.node = "a@h";
      declare.declare_as = resolved->spec->queue;
      if (Once(6)) declare.declare_as.arguments["x-expires"] = 1;
      Apply(declare, topology);
      Fill(topology, topology.queues.back());
    }
  }

  /// Some of the exchanges of stable placement, and some of their bindings.
  void AddPlaces(Topology& topology, const std::string& exchange) {
    static const std::vector<std::string> kHomes = {"a@h", "b@h", "c@h", "gone@h"};
    std::set<std::string> names;
    while (names.size() < 6) names.insert(ShardName(exchange, kHomes[Below(4)], static_cast<int>(Below(3))));
    for (const std::string& name : names) {
      if (!Once(8)) topology.exchanges.push_back(ShardExchange("/", name));
      if (!Once(8)) topology.exchanges.push_back(ShardExchange("/", AlternateName(name)));
    }
    const auto exists = [&](const std::string& name) {
      return std::any_of(topology.exchanges.begin(), topology.exchanges.end(),
                         [&](const Exchange& e) { return e.name == name; });
    };
    for (const std::string& name : names) {
      if (exists(name) && !Once(3)) AddBinding(topology, exchange, name, std::to_string(Below(2)), false);
      if (exists(name) && FindQueue(topology, name) != nullptr && !Once(3)) AddBinding(topology, name, name, "");
      for (const std::string& other : names) {
        const bool both = exists(AlternateName(name)) && exists(other);
        if (both && Once(4)) AddBinding(topology, AlternateName(name), other, "1", false);
      }
    }
  }

  void Bind(Topology& topology, const std::string& exchange, const std::string& queue) {
    AddBinding(topology, exchange, queue, std::to_string(Below(3)));
    if (Once(5)) AddBinding(topology, exchange, queue, "9");
    if (Once(8)) AddBinding(topology, "other", queue, "k");
    if (Once(8)) AddBinding(topology, kDrainExchange, queue, exchange);
  }

  void Fill(const Topology& topology, Queue& queue) {
    if (Once(4)) queue.ready = Below(3);
    if (Once(6)) queue.unacked = Below(3);
    if (Once(6)) queue.consumers = Below(3);
    if (Once(12)) queue.ready.reset();
    for (const Node& node : topology.nodes) {
      if (node.name == queue.node && !node.running) queue.state = "down";
    }
  }

  std::mt19937 random_;
};

/// Bound queues of a stream that take messages.
int Serving(const Topology& topology, const std::string& exchange) {
  std::set<std::string> serving;
  const auto feeds = [&](const std::string& queue) {
    return std::any_of(topology.bindings.begin(), topology.bindings.end(), [&](const Binding& binding) {
      return binding.to_queue && binding.source == queue && binding.destination == queue;
    });
  };
  for (const Binding& binding : topology.bindings) {
    if (binding.source != exchange) continue;
    for (const Queue& queue : topology.queues) {
      const bool reached = queue.name == binding.destination && (binding.to_queue || feeds(queue.name));
      if (reached && queue.state == "running") serving.insert(queue.name);
    }
  }
  return static_cast<int>(serving.size());
}

TEST(MakePlanProperty, ConvergesAndThenThereIsNothingLeftToDo) {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    Drawn drawn = Drawer(seed).Draw();
    const auto catalog = drawn.Catalog();
    EXPECT_LT(drawn.cluster.Converge(catalog), 100) << seed;
    EXPECT_TRUE(drawn.cluster.Look(catalog).empty()) << seed;
  }
}

TEST(MakePlanProperty, ABoundedPlanConvergesToTheSameEnd) {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    Drawn bounded = Drawer(seed).Draw();
    Drawn whole = bounded;
    bounded.cluster.limits.max_actions = 1;
    const auto catalog = bounded.Catalog();
    EXPECT_LT(bounded.cluster.Converge(catalog, 400), 400) << seed;
    whole.cluster.Converge(catalog);
    const auto names = [](const Topology& topology) {
      std::set<std::string> queues;
      for (const Queue& queue : topology.queues) queues.insert(queue.name + " " + queue.type);
      return queues;
    };
    EXPECT_EQ(names(bounded.cluster.topology), names(whole.cluster.topology)) << seed;
  }
}

TEST(MakePlanProperty, ARestartAfterAnyActionComesToTheSameEnd) {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    Drawn drawn = Drawer(seed).Draw();
    Drawn whole = drawn;
    const auto catalog = drawn.Catalog();
    drawn.cluster.limits.max_actions = 1;
    for (int round = 0; round < 60; ++round) {
      drawn.cluster.Carry(drawn.cluster.Look(catalog));
      drawn.cluster.history = {};
    }
    drawn.cluster.limits.max_actions = 100'000;
    drawn.cluster.Converge(catalog);
    whole.cluster.Converge(catalog);
    EXPECT_EQ(drawn.cluster.topology.queues.size(), whole.cluster.topology.queues.size()) << seed;
    EXPECT_EQ(drawn.cluster.topology.bindings.size(), whole.cluster.topology.bindings.size()) << seed;
    const auto of_shards = [](const Topology& of) {
      return std::count_if(of.exchanges.begin(), of.exchanges.end(), IsShardExchange);
    };
    EXPECT_EQ(of_shards(drawn.cluster.topology), of_shards(whole.cluster.topology)) << seed;
  }
}

TEST(MakePlanProperty, TheOrderOfTheObservationDoesNotMatter) {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    Drawn drawn = Drawer(seed).Draw();
    const auto catalog = drawn.Catalog();
    Topology& topology = drawn.cluster.topology;
    const auto plan = ToJson(MakePlan(catalog, topology, drawn.cluster.limits));
    std::mt19937 random(seed);
    std::shuffle(topology.nodes.begin(), topology.nodes.end(), random);
    std::shuffle(topology.queues.begin(), topology.queues.end(), random);
    std::shuffle(topology.bindings.begin(), topology.bindings.end(), random);
    std::shuffle(topology.exchanges.begin(), topology.exchanges.end(), random);
    EXPECT_EQ(ToJson(MakePlan(catalog, topology, drawn.cluster.limits)), plan) << seed;
  }
}

TEST(MakePlanProperty, NothingIsSaidToANodeThatDoesNotAnswerAndNothingPlacedOnOneThatIsDrained) {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    Drawn drawn = Drawer(seed).Draw();
    const auto& [topology, history, limits] = drawn.cluster;
    for (const StreamPlan& stream : drawn.cluster.Look(drawn.Catalog()).streams) {
      EXPECT_LE(stream.actions.size(), 400U) << seed;
      for (const Action& action : stream.actions) {
        const auto named = [&](const Node& n) { return n.name == action.node; };
        const auto node = std::find_if(topology.nodes.begin(), topology.nodes.end(), named);
        ASSERT_NE(node, topology.nodes.end());
        EXPECT_TRUE(node->running && !node->maintenance.value_or(false)) << seed;
        const auto& unreachable = limits.unreachable_nodes;
        EXPECT_EQ(std::count(unreachable.begin(), unreachable.end(), action.node), 0) << seed;
        if (action.kind != ActionKind::kDeclareShard) continue;
        EXPECT_EQ(std::count(drawn.drained.begin(), drawn.drained.end(), action.node), 0) << seed;
        EXPECT_NE(action.queue.find(action.node), std::string::npos) << seed;
      }
    }
  }
}

/// Looks, and applies one action after the other, with `check` before each.
template <class Check>
void ForEachAction(unsigned seed, Check&& check) {
  Drawn drawn = Drawer(seed).Draw();
  const auto catalog = drawn.Catalog();
  for (int round = 0; round < 60; ++round) {
    const Plan plan = drawn.cluster.Look(catalog);
    if (plan.empty() && !plan.next_look_ms()) return;
    for (const StreamPlan& stream : plan.streams) {
      for (const Action& action : stream.actions) {
        check(drawn.cluster, stream, action);
        Apply(action, drawn.cluster.topology);
      }
    }
  }
}

TEST(MakePlanProperty, AnExchangeWithAShardThatServesAlwaysKeepsOne) {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    ForEachAction(seed, [&](WatchedCluster& cluster, const StreamPlan& stream, const Action& action) {
      const bool unbinds = action.kind == ActionKind::kUnbindShard || action.kind == ActionKind::kUnbindExchange;
      if (!unbinds || stream.exchange_type.empty()) return;  // Empty: it is gone.
      if (Serving(cluster.topology, stream.exchange) == 0) return;
      Topology after = cluster.topology;
      Apply(action, after);
      const bool same = Serving(after, stream.exchange) == Serving(cluster.topology, stream.exchange);
      EXPECT_TRUE(same || Serving(after, stream.exchange) > 0) << seed << " " << action.ToString();
    });
  }
}

TEST(MakePlanProperty, OnlyQueuesThatAreEmptyUnusedAndUnfedAreDeleted) {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    ForEachAction(seed, [&](WatchedCluster& cluster, const StreamPlan&, const Action& action) {
      if (action.kind != ActionKind::kDeleteShard) return;
      const Queue* queue = FindQueue(cluster.topology, action.queue);
      ASSERT_NE(queue, nullptr);
      EXPECT_TRUE(queue->ready == 0U && queue->unacked == 0U && queue->consumers == 0U) << seed;
      for (const Binding& binding : cluster.topology.bindings) {
        const bool feeds = binding.to_queue && binding.destination == action.queue;
        EXPECT_TRUE(!feeds || binding.source == kDrainExchange) << seed;
      }
      const QueueHistory* history = cluster.history.Find("/", action.queue);
      ASSERT_NE(history, nullptr);
      EXPECT_GT(history->empty_since_ms, history->unbound_since_ms) << seed;
      EXPECT_GE(cluster.topology.observed_at_ms - history->empty_since_ms, 5'000) << seed;
    });
  }
}

TEST(MakePlanProperty, AQueueOfAnotherMakeThatIsNeitherBoundNorMarkedIsNeverTouched) {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    Drawn drawn = Drawer(seed).Draw();
    Topology& topology = drawn.cluster.topology;
    for (Queue& queue : topology.queues) {
      const auto to_it = [&](const Binding& b) { return b.to_queue && b.destination == queue.name; };
      const bool unbound = std::none_of(topology.bindings.begin(), topology.bindings.end(), to_it);
      if (unbound) queue.arguments["x-max-length"] = 77;
    }
    const auto strangers = [](const Topology& of) {
      return std::count_if(of.queues.begin(), of.queues.end(),
                           [](const Queue& queue) { return queue.arguments.value("x-max-length", 0) == 77; });
    };
    const auto before = strangers(topology);
    drawn.cluster.Converge(drawn.Catalog());
    EXPECT_EQ(strangers(topology), before) << seed;
  }
}

TEST(MakePlanProperty, NamesNothingThatIsNotAShardOfTheStream) {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    ForEachAction(seed, [&](WatchedCluster&, const StreamPlan& stream, const Action& action) {
      EXPECT_NE(stream.exchange, "plain") << seed;
      EXPECT_TRUE(action.queue.empty() || ParseShardName(action.queue, stream.exchange)) << action.queue;
    });
  }
}

}  // namespace
}  // namespace warren
