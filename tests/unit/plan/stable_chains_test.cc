// Chains of substitutes while queues are rolled, nodes drained and others down, in any order: a place in the ring that
// leads to a queue leads to one after every single action, and in the end each leads to its own.
#include <gtest/gtest.h>

#include <random>

#include "tests/unit/plan/stable_stream.h"

namespace warren {
namespace {

constexpr unsigned kSeeds = 120;
const std::vector<std::string> kPair = {"a@h", "b@h"};

std::string Definition(int shards, int length = 0) {
  const std::string queue =
      length > 0 ? R"(, "queue": {"arguments": {"x-max-length": )" + std::to_string(length) + "}}" : "";
  return R"({"placement": "stable", "shards-per-node": )" + std::to_string(shards) + queue + "}";
}

std::set<std::string> Lost(const Topology& topology) {
  std::set<std::string> lost;
  for (const auto& [place, ends] : Routes(topology)) {
    if (ends.contains("")) lost.insert(place);
  }
  return lost;
}

/// One action; no place may lead nowhere after it that led somewhere before.
void ApplyWatched(const Action& action, Topology& topology, const std::string& what) {
  const auto before = Routes(topology);
  const auto lost = Lost(topology);
  Apply(action, topology);
  for (const std::string& place : Lost(topology)) {
    const bool led = before.contains(place) && !lost.contains(place);
    ASSERT_FALSE(led) << what << ": " << place << " leads nowhere after: " << action.ToString();
  }
}

/// Looks and applies, at most `rounds` times; true when there is nothing left to do.
bool Go(WatchedCluster& cluster, const policies::Catalog& catalog, const std::string& what, int rounds = 80) {
  for (int round = 0; round < rounds; ++round) {
    const Plan plan = cluster.Look(catalog);
    if (plan.empty() && !plan.next_look_ms()) return true;
    for (const StreamPlan& stream : plan.streams) {
      for (const Action& action : stream.actions) ApplyWatched(action, cluster.topology, what);
      if (::testing::Test::HasFatalFailure()) return false;
    }
  }
  return false;
}

void Fill(Topology& topology, std::uint64_t messages) {
  for (Queue& queue : topology.queues) queue.ready = messages;
}

/// A queue that cannot be had on a node that is up. Returns the bindings that the broker hides.
std::vector<Binding> Stop(Topology& topology, const std::string& name) {
  std::vector<Binding> hidden;
  FindQueue(topology, name)->state = "stopped";
  const auto to_it = [&](const Binding& b) { return b.to_queue && b.destination == name; };
  std::copy_if(topology.bindings.begin(), topology.bindings.end(), std::back_inserter(hidden), to_it);
  std::erase_if(topology.bindings, to_it);
  return hidden;
}

TEST(StableChains, NoKeyIsLostWhileOneOfTwoNodesIsDownAndTheOtherIsRolled) {
  WatchedCluster cluster = Converged(Definition(2), "x-consistent-hash", kPair);
  const auto routes = Routes(cluster.topology);
  const auto hidden = Kill(cluster.topology, "a@h");
  Fill(cluster.topology, 1);
  (void)Go(cluster, CatalogOf(Definition(2, 9)), "rolled, full");
  EXPECT_EQ(Lost(cluster.topology), std::set<std::string>{});
  Fill(cluster.topology, 0);
  EXPECT_TRUE(Go(cluster, CatalogOf(Definition(2, 9)), "rolled"));
  Return(cluster.topology, "a@h", hidden);
  EXPECT_TRUE(Go(cluster, CatalogOf(Definition(2, 9)), "back"));
  EXPECT_EQ(Routes(cluster.topology), routes);
}

TEST(StableChains, ANodeThatDiesWhileTheOtherIsRolledIsGoneAround) {
  WatchedCluster cluster = Converged(Definition(2), "x-consistent-hash", kPair);
  Fill(cluster.topology, 1);
  (void)Go(cluster, CatalogOf(Definition(2, 9)), "rolled, full", 3);
  const std::string rolled =
      Routes(cluster.topology).at(Name("a@h", 0) + " (exchange)").contains(Name("a@h", 0)) ? "b@h" : "a@h";
  (void)Kill(cluster.topology, rolled == "a@h" ? "b@h" : "a@h");
  EXPECT_NE(Lost(cluster.topology), std::set<std::string>{}) << "or this test shows nothing";
  (void)Go(cluster, CatalogOf(Definition(2, 9)), "one dead, full", 3);
  EXPECT_EQ(Lost(cluster.topology), std::set<std::string>{});
}

TEST(StableChains, ADrainWaitsForNobodyAndLosesNothingWhileAnotherNodeIsRolled) {
  WatchedCluster cluster = Converged(Definition(2), "x-consistent-hash", kPair);
  Fill(cluster.topology, 1);
  (void)Go(cluster, CatalogOf(Definition(2, 9)), "rolled, full", 3);
  for (const char* node : {"a@h", "b@h"}) {
    WatchedCluster drained = cluster;
    (void)Go(drained, CatalogOf(Definition(2, 9), {node}), "drained", 9);
    EXPECT_EQ(Lost(drained.topology), std::set<std::string>{});
    Fill(drained.topology, 0);
    EXPECT_TRUE(Go(drained, CatalogOf(Definition(2, 9), {node}), "drained, empty"));
    EXPECT_TRUE(Go(drained, CatalogOf(Definition(2, 9)), "refilled"));
    for (const auto& [place, ends] : Routes(drained.topology)) EXPECT_EQ(place, *ends.begin() + " (exchange)");
  }
}

TEST(StableChains, OneNodeDownOneDrainedAndTheThirdRolledLeaveNoKeyWithoutAQueue) {
  WatchedCluster cluster = Converged(Definition(2));
  Fill(cluster.topology, 1);
  (void)Kill(cluster.topology, "r1@h");
  (void)Go(cluster, CatalogOf(Definition(2), {"r2@h"}), "drained", 9);
  (void)Go(cluster, CatalogOf(Definition(2, 9), {"r2@h"}), "rolled", 9);
  EXPECT_EQ(Lost(cluster.topology), std::set<std::string>{});
}

TEST(StableChains, OnOneNodeAQueueThatIsStoppedIsGoneAroundWhileItsSubstituteIsRolled) {
  WatchedCluster cluster = Converged(Definition(3), "x-consistent-hash", {"a@h"});
  Fill(cluster.topology, 1);
  (void)Stop(cluster.topology, Name("a@h", 0));
  (void)Go(cluster, CatalogOf(Definition(3, 9)), "rolled", 9);
  EXPECT_EQ(Lost(cluster.topology), std::set<std::string>{});
}

/// Everything that can happen to a cluster, at random moments of what is done about it.
class Life {
 public:
  explicit Life(unsigned seed) : random_(seed), seed_(seed) {
    static const std::vector<std::string> kAll = {"a@h", "b@h", "c@h", "d@h"};
    nodes_.assign(kAll.begin(), kAll.begin() + 1 + static_cast<std::ptrdiff_t>(Below(4)));
    cluster_ = Converged(Definition(shards_), "x-consistent-hash", nodes_);
  }

  void Live() {
    for (int step = 0; step < 30 && !::testing::Test::HasFatalFailure(); ++step) {
      Happen();
      if (Below(3) == 0) (void)Go(cluster_, Catalog(), What(), 6);
      Some();
    }
  }

  void End() {
    drained_.clear();
    while (!hidden_.empty()) Back(hidden_.begin()->first);
    Fill(cluster_.topology, 0);
    // Declared, and the definition changed before it was ever seen fed: left alone until an operator deletes it.
    bool left = true;
    while (left) {
      ASSERT_TRUE(Go(cluster_, Catalog(), What())) << What();
      left = false;
      const Plan plan = cluster_.Look(Catalog());
      for (const Shard& shard : plan.streams.at(0).shards) {
        const auto same = [&](const Queue& queue) { return queue.name == shard.queue; };
        if (shard.state == ShardState::kConflict) left = std::erase_if(cluster_.topology.queues, same) > 0;
      }
    }
    EXPECT_EQ(Routes(cluster_.topology).size(), nodes_.size() * static_cast<std::size_t>(shards_)) << What() << What();
    for (const auto& [place, ends] : Routes(cluster_.topology))
      EXPECT_EQ(place, *ends.begin() + " (exchange)") << What();
  }

 private:
  std::size_t Below(std::size_t n) { return random_() % n; }
  std::string What() const { return "seed " + std::to_string(seed_); }
  policies::Catalog Catalog() const {
    return CatalogOf(Definition(shards_, length_), {drained_.begin(), drained_.end()});
  }

  /// A part of what is to be done.
  void Some() {
    const Plan plan = cluster_.Look(Catalog());
    if (plan.streams.empty()) return;
    const auto& actions = plan.streams[0].actions;
    const std::size_t most = Below(actions.size() + 1);
    for (std::size_t i = 0; i < most && !::testing::Test::HasFatalFailure(); ++i) {
      ApplyWatched(actions[i], cluster_.topology, What());
    }
  }

  void Happen() {
    const std::string node = nodes_[Below(nodes_.size())];
    switch (Below(7)) {
      case 0:
        if (hidden_.contains(node)) return Back(node);
        if (HasStopped(node)) return;
        hidden_[node] = Kill(cluster_.topology, node);
        return;
      case 1: hidden_.contains(node) ? Back(node) : (void)drained_.insert(node); return;
      case 2: drained_.erase(node); return;
      case 3: shards_ = 1 + static_cast<int>(Below(3)); return;
      case 4: length_ = static_cast<int>(Below(3)); return;
      case 5: return Fill(cluster_.topology, Below(2));
      default: {
        if (hidden_.contains(node)) return;
        const std::string name = Name(node, static_cast<int>(Below(3)));
        const Queue* queue = FindQueue(cluster_.topology, name);
        if (queue != nullptr && queue->state == "running") hidden_[name] = Stop(cluster_.topology, name);
      }
    }
  }

  bool HasStopped(const std::string& node) {
    const auto& queues = cluster_.topology.queues;
    return std::any_of(queues.begin(), queues.end(),
                       [&](const Queue& q) { return q.node == node && q.state == "stopped"; });
  }

  /// A node or a queue comes back.
  void Back(std::string what) {
    Topology& topology = cluster_.topology;
    auto hidden = std::move(hidden_.at(what));
    hidden_.erase(what);
    for (Queue& queue : topology.queues) {
      if (queue.name == what) queue.state = "running";
    }
    const auto gone = [&](const Binding& b) {
      const auto source = [&](const Exchange& e) { return e.name == b.source; };
      const bool deleted = std::none_of(topology.exchanges.begin(), topology.exchanges.end(), source);
      return deleted || FindQueue(topology, b.destination) == nullptr;
    };
    std::erase_if(hidden, gone);
    Return(topology, what, hidden);
  }

  std::mt19937 random_;
  unsigned seed_;
  std::vector<std::string> nodes_;
  WatchedCluster cluster_;
  int shards_ = 2, length_ = 0;
  std::set<std::string> drained_;
  std::map<std::string, std::vector<Binding>> hidden_;  ///< Of nodes and queues that are down.
};

TEST(StableChains, APlaceThatLeadsToAQueueLeadsToOneAfterEveryActionWhateverHappens) {
  for (unsigned seed = 0; seed < kSeeds; ++seed) {
    Life life(seed);
    life.Live();
    life.End();
    ASSERT_FALSE(HasFailure()) << seed;
  }
}

}  // namespace
}  // namespace warren
