// How the consumers of a group share what it is to consume: examples, and members that come and go at random.
#include "proxy/gateway/sharing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

namespace warren::gateway {
namespace {

using Parts = std::vector<std::vector<std::string>>;

TEST(ShareOut, GivesEveryMemberAllLocalShardsAndItsPartOfTheBorrowed) {
  const std::vector<DueShard> due = {{"a", true}, {"b", true}, {"c"}, {"d"}, {"e"}};
  const Parts parts = ShareOut(due, {{1, {}}, {2, {}}}, ConsumeMode::kAll);
  EXPECT_EQ(parts, (Parts{{"a", "b", "c", "e"}, {"a", "b", "d"}}));
}

TEST(ShareOut, GivesEachShardToOneMemberWhenOneIsAskedFor) {
  const std::vector<DueShard> due = {{"a", true}, {"b", true}, {"c"}};
  EXPECT_EQ(ShareOut(due, {{1, {}}, {2, {}}}, ConsumeMode::kOne), (Parts{{"a", "c"}, {"b"}}));
}

TEST(ShareOut, LetsAMemberThatWouldHaveNoneShareAShard) {
  const Parts parts = ShareOut({{"a", true}, {"b", true}}, {{1, {"a"}}, {2, {"b"}}, {3, {}}}, ConsumeMode::kOne);
  EXPECT_EQ(parts[0], std::vector<std::string>{"a"});
  EXPECT_EQ(parts[1], std::vector<std::string>{"b"});
  EXPECT_EQ(parts[2].size(), 1u);
}

TEST(ShareOut, GivesNothingWhereThereIsNothingOrNobody) {
  EXPECT_EQ(ShareOut({}, {{1, {"gone"}}}, ConsumeMode::kOne), Parts{{}});
  EXPECT_TRUE(ShareOut({{"a", true}}, {}, ConsumeMode::kAll).empty());
}

TEST(ShareOut, StaysLevelAndMovesNoMoreThanItHasToWhoeverComesAndGoes) {
  std::mt19937 random(7);
  std::vector<DueShard> due;
  for (int i = 0; i < 12; ++i) due.push_back({"shard " + std::to_string(i), i < 4});
  std::map<MemberId, std::vector<std::string>> had = {{1, {}}};
  MemberId last = 1;
  for (int round = 0; round < 300; ++round) {
    const auto before = had;
    if (had.size() == 1 || (had.size() < 20 && random() % 2 == 0)) {
      had.emplace(++last, std::vector<std::string>());
    } else {
      had.erase(std::next(had.begin(), static_cast<long>(random() % had.size())));
    }
    std::vector<Sharer> sharers;
    for (const auto& [member, shards] : had) sharers.push_back({member, shards});
    const Parts parts = ShareOut(due, sharers, ConsumeMode::kOne);
    std::map<std::string, int> consumers;
    std::size_t most = 0, least = due.size(), moved = 0;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const std::set<std::string> old(sharers[i].had.begin(), sharers[i].had.end());
      for (const std::string& shard : parts[i]) ++consumers[shard];
      for (const std::string& shard : parts[i]) moved += before.contains(sharers[i].member) && !old.contains(shard);
      most = std::max(most, parts[i].size());
      least = std::min(least, parts[i].size());
      had[sharers[i].member] = parts[i];
    }
    ASSERT_EQ(consumers.size(), due.size()) << "a shard has no consumer";
    ASSERT_LE(most - least, 1u);
    ASSERT_GE(least, 1u);
    // A newcomer takes from the others; what somebody leaves goes to them: at most as much as one has.
    ASSERT_LE(moved, (due.size() + parts.size() - 1) / parts.size() + 1) << "with " << parts.size() << " members";
    if (parts.size() <= due.size()) {
      for (const auto& [shard, count] : consumers) ASSERT_EQ(count, 1) << shard;
    }
  }
}

}  // namespace
}  // namespace warren::gateway
