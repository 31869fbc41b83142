// Golden names, their parsing, and weights.
#include "shardmgr/plan/naming.h"

#include <gtest/gtest.h>

#include "shardmgr/plan/weights.h"

namespace warren {
namespace {

TEST(ShardName, IsThatOfTheOriginalDocumentation) {
  EXPECT_EQ(ShardName("shard.logs_stream", "rabbit1@host", 0), "stream: shard.logs_stream - rabbit1@host - 0");
}

TEST(ParseShardName, FindsNodeAndIndexEvenWithSeparatorsInTheExchangesName) {
  const auto parts = ParseShardName(ShardName("a - b", "n@h", 12), "a - b");
  ASSERT_TRUE(parts);
  EXPECT_EQ(parts->node, "n@h");
  EXPECT_EQ(parts->index, 12);
  EXPECT_FALSE(ParseShardName(ShardName("a - b", "n@h", 12), "a"));
}

TEST(ParseShardQueueName, ReadsBothStylesOfAnyExchange) {
  const auto name = ParseShardQueueName("sharding: a - b - n@h - 3");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->style, NameStyle::kSharding);
  EXPECT_EQ(name->exchange, "a - b");
  EXPECT_EQ(name->node, "n@h");
  EXPECT_EQ(name->index, 3);
  EXPECT_EQ(ShardName("a - b", "n@h", 3, NameStyle::kSharding), "sharding: a - b - n@h - 3");
  for (const char* other : {"a", "stream: ", "stream: a", "stream: n@h - 0", "stream:  - n@h - 0"}) {
    EXPECT_FALSE(IsShardName(other)) << other;
  }
}

TEST(ParseShardName, RefusesWhatIsNotAShardOfTheExchange) {
  for (const char* name : {"", "stream: a - n", "stream: a -  - 0", "stream: a - n - 00", "stream: a - n - -1",
                           "stream: a - n - 1x", "stream: a - n - 9999999999", "stream: ab - n - 0",
                           "sharding: a - "
                           "n - 0",
                           "stream: a - n - "}) {
    EXPECT_FALSE(ParseShardName(name, "a")) << name;
  }
}

TEST(ParseWeight, TakesPositiveDecimalIntegersOnly) {
  EXPECT_EQ(ParseWeight("1234"), 1234U);
  for (const char* key : {"", "0", "-1", "1.5", "1e3", " 1", "abc", "9999999999999999999"}) {
    EXPECT_FALSE(ParseWeight(key)) << key;
  }
}

TEST(CommonDivisor, IsOneBesideForeignBindings) {
  EXPECT_EQ(CommonDivisor({1234, 1234}, {}), 1234U);
  EXPECT_EQ(CommonDivisor({12, 18}, {}), 6U);
  EXPECT_EQ(CommonDivisor({10000}, {10000}), 1U);
  EXPECT_EQ(CommonDivisor({}, {}), 1U);
}

}  // namespace
}  // namespace warren
