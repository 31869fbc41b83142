// What drain_node counts.
#include "coordinator/ctl/node_shards.h"

#include <gtest/gtest.h>

namespace warren::ctl {
namespace {

constexpr const char* kNode = "rabbit1@h";

Shard ShardIn(ShardState state, bool bound = false, const char* node = kNode) {
  Shard shard;
  shard.queue = std::string("stream: web - ") + node + " - 0";
  shard.observed_node = node;
  shard.state = state;
  shard.bound = bound;
  shard.ready = 3;
  shard.unacked = 1;
  return shard;
}

StreamPlan Stream(std::vector<Shard> shards, std::string policy = "p") {
  StreamPlan stream;
  stream.vhost = "/";
  stream.exchange = "web";
  stream.policy = std::move(policy);
  stream.shards = std::move(shards);
  return stream;
}

NodeShards Counted(std::vector<StreamPlan> streams) {
  Plan plan;
  plan.streams = std::move(streams);
  return CountOnNode(plan, kNode);
}

bool Has(const std::string& text, std::string_view words) { return text.find(words) != std::string::npos; }

TEST(CountOnNode, CountsShardsOfThatNodeThatAreThere) {
  const auto count = Counted({Stream({ShardIn(ShardState::kDraining), ShardIn(ShardState::kActive, true),
                                      ShardIn(ShardState::kDraining, false, "rabbit2@h"), ShardIn(ShardState::kMissing),
                                      ShardIn(ShardState::kConflict)})});
  EXPECT_EQ(count.leaving.shards, 2u);
  EXPECT_EQ(count.leaving.ready, 6u);
  EXPECT_FALSE(count.done());
  EXPECT_FALSE(count.stuck());
  EXPECT_TRUE(Has(count.ToString(kNode), "2 shards are on rabbit1@h: 6 messages ready, 2 unacknowledged"));
}

TEST(CountOnNode, IsEmptyOnlyWithoutOrphanedAndRetainedShards) {
  EXPECT_TRUE(Counted({Stream({ShardIn(ShardState::kActive, true, "rabbit2@h")})}).empty());
  const auto count = Counted({Stream({ShardIn(ShardState::kRetained), ShardIn(ShardState::kRetained)}),
                              Stream({ShardIn(ShardState::kOrphaned, true)}, "")});
  EXPECT_TRUE(count.done());
  EXPECT_FALSE(count.empty());
  EXPECT_TRUE(Has(count.WhatStays(), "1 orphaned and 2 retained shards with 12 messages stay on it; "));
  EXPECT_TRUE(Has(count.WhatStays(), "delete_stream"));
  EXPECT_TRUE(Has(count.WhatStays(), "on-remove"));
}

TEST(CountOnNode, NamesOnlyWhatStays) {
  const auto orphaned = Counted({Stream({ShardIn(ShardState::kOrphaned)}, "")});
  EXPECT_TRUE(Has(orphaned.WhatStays(), "1 orphaned shard with 4 messages stays on it; "));
  EXPECT_FALSE(Has(orphaned.WhatStays(), "retained"));
}

TEST(CountOnNode, IsStuckWhereTheOnlyShardBoundStays) {
  StreamPlan stream = Stream({ShardIn(ShardState::kDraining, true)});
  EXPECT_FALSE(Counted({stream}).stuck()) << "the next round may unbind it";
  stream.conditions = {{ConditionType::kDegraded, "LastShard", "it stays", false}};
  EXPECT_TRUE(Counted({stream}).stuck());
  EXPECT_TRUE(Has(Counted({stream}).WhyStuck(), "the only one bound to its exchange"));
  stream.shards.push_back(ShardIn(ShardState::kDraining));
  EXPECT_FALSE(Counted({stream}).stuck()) << "the other one is still to be emptied";
}

TEST(CountOnNode, IsStuckWhereNothingIsDoneForTheStream) {
  StreamPlan stream = Stream({ShardIn(ShardState::kActive, true), ShardIn(ShardState::kDeclared)});
  EXPECT_FALSE(Counted({stream}).stuck());
  stream.conditions = {{ConditionType::kDegraded, "UnknownDefinition", "there is none", true}};
  EXPECT_TRUE(Counted({stream}).stuck());
  EXPECT_TRUE(Has(Counted({stream}).WhyStuck(), "2 shards are of streams for which nothing can be done"));
}

TEST(CountOnNode, IsStuckWhereAllIsDownAndSaysSo) {
  const auto down = Counted({Stream({ShardIn(ShardState::kDown, true), ShardIn(ShardState::kDown)})});
  EXPECT_TRUE(down.stuck());
  EXPECT_EQ(down.lone, 0u);
  EXPECT_TRUE(Has(down.WhyStuck(), "2 shards are down"));
  EXPECT_TRUE(Has(down.WhyStuck(), "forget_cluster_node"));
  EXPECT_FALSE(Has(down.WhyStuck(), "only one bound"));
}

}  // namespace
}  // namespace warren::ctl
