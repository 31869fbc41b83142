// Which shard stands in for which: for every size of a cluster and every change of one.
#include "shardmgr/plan/substitutes.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace warren {
namespace {

using Substitutes = std::map<std::string, std::string>;
using Now = std::map<std::string, std::vector<std::string>>;

std::vector<PlaceName> Places(const std::vector<std::string>& nodes, int per_node) {
  std::vector<PlaceName> places;
  for (int index = 0; index < per_node; ++index) {
    for (const std::string& node : nodes) places.push_back({node + std::to_string(index), node, index});
  }
  return places;
}

Now AsNow(const Substitutes& substitutes) {
  Now now;
  for (const auto& [place, substitute] : substitutes) now[place] = {substitute};
  return now;
}

std::string NodeOf(const std::string& place) { return place.substr(0, 1); }

/// Where messages for `place` end when these nodes are gone; empty: nowhere.
std::string End(const Substitutes& substitutes, std::string place, const std::set<std::string>& gone) {
  for (std::size_t hops = 0; hops <= substitutes.size(); ++hops) {
    if (!gone.contains(NodeOf(place))) return place;
    place = substitutes.at(place);
  }
  return {};
}

void ExpectRight(const Substitutes& substitutes, const std::vector<std::string>& nodes, int per_node,
                 const std::string& what) {
  ASSERT_EQ(substitutes.size(), nodes.size() * static_cast<std::size_t>(per_node)) << what;
  for (const std::string& node : nodes) {
    std::map<std::string, int> spread;
    std::set<std::string> different;
    for (int index = 0; index < per_node; ++index) {
      const std::string& to = substitutes.at(node + std::to_string(index));
      EXPECT_NE(NodeOf(to), node) << what;
      ++spread[NodeOf(to)];
      different.insert(to);
    }
    EXPECT_EQ(different.size(), static_cast<std::size_t>(per_node)) << what << " " << node;
    const int others = static_cast<int>(nodes.size()) - 1;
    for (const auto& [other, count] : spread) EXPECT_LE(count, (per_node + others - 1) / others) << what << " " << node;
  }
}

void ExpectEveryChainEnds(const Substitutes& substitutes, const std::vector<std::string>& nodes,
                          const std::string& what) {
  for (unsigned mask = 1; mask + 1 < (1U << nodes.size()); ++mask) {
    std::set<std::string> gone;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if ((mask >> i) & 1U) gone.insert(nodes[i]);
    }
    for (const auto& [place, unused] : substitutes) {
      EXPECT_NE(End(substitutes, place, gone), "") << what << " " << place << " " << mask;
    }
  }
}

std::vector<std::string> Nodes(std::size_t count) {
  std::vector<std::string> nodes;
  for (std::size_t i = 0; i < count; ++i) nodes.emplace_back(1, static_cast<char>('a' + i));
  return nodes;
}

TEST(ChooseSubstitutes, SpreadsEvenlyAndEveryChainEndsWhateverNodesAreGone) {
  for (std::size_t count = 2; count <= 7; ++count) {
    for (int per_node = 1; per_node <= 7; ++per_node) {
      const auto substitutes = ChooseSubstitutes(Places(Nodes(count), per_node), {});
      const std::string what = std::to_string(count) + " nodes, " + std::to_string(per_node);
      ExpectRight(substitutes, Nodes(count), per_node, what);
      ExpectEveryChainEnds(substitutes, Nodes(count), what);
    }
  }
}

TEST(ChooseSubstitutes, TheAnswerToAnAnswerIsTheSame) {
  for (std::size_t count = 1; count <= 7; ++count) {
    for (int per_node = 1; per_node <= 7; ++per_node) {
      const auto places = Places(Nodes(count), per_node);
      const auto substitutes = ChooseSubstitutes(places, {});
      EXPECT_EQ(ChooseSubstitutes(places, AsNow(substitutes)), substitutes) << count << " " << per_node;
    }
  }
}

TEST(ChooseSubstitutes, WhateverIsThereComesToSomethingRightThatStays) {
  std::mt19937 random(7);
  for (int round = 0; round < 500; ++round) {
    const auto nodes = Nodes(1 + random() % 6);
    const int per_node = 1 + static_cast<int>(random() % 5);
    const auto places = Places(nodes, per_node);
    Now now;
    for (const PlaceName& place : places) {
      for (std::size_t i = random() % 3; i > 0; --i) now[place.name].push_back(places[random() % places.size()].name);
      if (random() % 9 == 0) now[place.name].push_back("x9");
    }
    const auto substitutes = ChooseSubstitutes(places, now);
    if (nodes.size() > 1) {
      ExpectRight(substitutes, nodes, per_node, std::to_string(round));
      ExpectEveryChainEnds(substitutes, nodes, std::to_string(round));
    }
    EXPECT_EQ(ChooseSubstitutes(places, AsNow(substitutes)), substitutes) << round;
  }
}

TEST(ChooseSubstitutes, ANodeThatComesOrGoesLeavesMostAsTheyAre) {
  for (std::size_t count = 3; count <= 6; ++count) {
    const auto before = ChooseSubstitutes(Places(Nodes(count), 2), {});
    const auto after = ChooseSubstitutes(Places(Nodes(count + 1), 2), AsNow(before));
    ExpectRight(after, Nodes(count + 1), 2, std::to_string(count));
    ExpectEveryChainEnds(after, Nodes(count + 1), std::to_string(count));
    std::size_t moved = 0;
    for (const auto& [place, substitute] : before) moved += after.at(place) != substitute ? 1 : 0;
    EXPECT_LE(moved, before.size() / 2) << count;
    const auto again = ChooseSubstitutes(Places(Nodes(count), 2), AsNow(after));
    ExpectRight(again, Nodes(count), 2, std::to_string(count));
    ExpectEveryChainEnds(again, Nodes(count), std::to_string(count));
  }
}

TEST(ChooseSubstitutes, OnOneNodeItIsAnotherShardAndALoneShardHasNone) {
  EXPECT_EQ(ChooseSubstitutes(Places({"a"}, 1), {}), Substitutes{});
  EXPECT_EQ(ChooseSubstitutes(Places({"a"}, 2), {}), (Substitutes{{"a0", "a1"}, {"a1", "a0"}}));
}

TEST(ChooseSubstitutes, AreKnownForTwoShardsOnThreeNodes) {
  EXPECT_EQ(ChooseSubstitutes(Places({"a", "b", "c"}, 2), {}),
            (Substitutes{{"a0", "b0"}, {"b0", "c0"}, {"c0", "a0"}, {"a1", "c1"}, {"b1", "a1"}, {"c1", "b1"}}));
}

}  // namespace
}  // namespace warren
