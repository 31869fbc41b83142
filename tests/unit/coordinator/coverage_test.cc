// The alarm about shards that nobody consumes: when it is raised, and what it says.
#include "coordinator/coverage.h"

#include <gtest/gtest.h>

#include "coordinator/status.h"

namespace warren::coordinator {
namespace {

constexpr std::int64_t kAgeMs = 5'000;
const StreamName kStream{"/", "shard.a"};

Shard Of(const char* queue, std::uint64_t consumers, std::uint64_t ready = 0) {
  Shard shard;
  shard.queue = queue;
  shard.observed_node = "a@h";
  shard.state = ShardState::kActive;
  shard.bound = true;
  shard.ready = ready;
  shard.unacked = 0;
  shard.consumers = consumers;
  return shard;
}

class Covered : public ::testing::Test {
 protected:
  std::vector<UncoveredShard> Look(std::int64_t at_ms, std::vector<Shard> shards) {
    plan_.observed_at_ms = at_ms;
    StreamPlan stream;
    stream.vhost = "/";
    stream.exchange = "shard.a";
    stream.policy = "p";
    stream.spec.emplace();
    stream.shards = std::move(shards);
    plan_.streams = {stream};
    uncovered_ = book_.Update(plan_, kAgeMs);
    return uncovered_[kStream];
  }
  std::string State() { return std::string(statuses_.Update(plan_, {}, 0, uncovered_)[0].state()); }
  std::optional<Condition> Says() { return CoverageCondition(plan_.streams[0], uncovered_[kStream]); }

  CoverageBook book_;
  ConditionBook statuses_;
  Plan plan_;
  ConditionBook::Uncovered uncovered_;
};

TEST_F(Covered, TakesTwoLooksAsFarApartAsCountsAreOld) {
  EXPECT_TRUE(Look(1'000, {Of("q0", 0), Of("q1", 1)}).empty());
  EXPECT_TRUE(Look(5'999, {Of("q0", 0), Of("q1", 1)}).empty());
  const auto uncovered = Look(6'000, {Of("q0", 0, 3), Of("q1", 1)});
  ASSERT_EQ(uncovered.size(), 1u);
  EXPECT_EQ(uncovered[0], (UncoveredShard{"q0", "a@h", 1'000, 3}));
  EXPECT_TRUE(Look(7'000, {Of("q0", 1), Of("q1", 1)}).empty());
  EXPECT_TRUE(Look(8'000, {Of("q0", 0), Of("q1", 1)}).empty()) << "it counts anew";
}

TEST_F(Covered, LeavesOutWhatNobodyCanConsumeAndWhatIsNotKnown) {
  Shard down = Of("down", 0, 5), unknown = Of("unknown", 0), unbound = Of("unbound", 0), holds = Of("holds", 0, 1);
  down.state = ShardState::kDown;
  unknown.consumers.reset();
  unbound.bound = holds.bound = false;
  holds.state = unbound.state = ShardState::kDraining;
  Look(0, {down, unknown, unbound, holds});
  const auto uncovered = Look(9'000, {down, unknown, unbound, holds});
  ASSERT_EQ(uncovered.size(), 1u);
  EXPECT_EQ(uncovered[0].queue, "holds");
}

TEST_F(Covered, AStreamWithoutAnyConsumerAndWithoutMessagesIsReady) {
  Look(0, {Of("q0", 0), Of("q1", 0)});
  EXPECT_FALSE(Says());
  Look(9'000, {Of("q0", 0), Of("q1", 0)});
  EXPECT_EQ(Says()->reason, "NoConsumers");
  EXPECT_EQ(Says()->type, ConditionType::kReady);
  EXPECT_EQ(State(), "ready");
  Look(10'000, {Of("q0", 0), Of("q1", 0, 1)});
  EXPECT_EQ(Says()->reason, "ShardsUncovered");
  EXPECT_EQ(State(), "degraded");
}

TEST_F(Covered, AShardThatIsLeftOutWhileOthersAreConsumedIsAFault) {
  Look(0, {Of("q0", 0), Of("q1", 2)});
  EXPECT_EQ(State(), "ready");
  Look(9'000, {Of("q0", 0), Of("q1", 2)});
  EXPECT_EQ(State(), "degraded");
  EXPECT_NE(Says()->message.find("'q0'"), std::string::npos);
  EXPECT_EQ(Says()->message.find("'q1'"), std::string::npos);
  EXPECT_FALSE(Says()->blocks);
}

TEST_F(Covered, NamesAFewOfMany) {
  std::vector<Shard> shards = {Of("served", 1)};
  std::vector<std::string> names;
  for (int i = 0; i < 9; ++i) names.push_back("q" + std::to_string(i));
  for (const std::string& name : names) shards.push_back(Of(name.c_str(), 0));
  Look(0, shards);
  EXPECT_EQ(Look(9'000, shards).size(), 9u);
  EXPECT_NE(Says()->message.find("and 4 more"), std::string::npos) << Says()->message;
}

}  // namespace
}  // namespace warren::coordinator
