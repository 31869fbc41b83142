// What a consumer learns about marks from what it is given.
#include "proxy/worker/redelivery_flag.h"

#include <gtest/gtest.h>

namespace warren::worker {
namespace {

using Seen = RedeliveryFlag::Seen;

class RedeliveryFlagTest : public ::testing::Test {
 protected:
  static Seen Fresh(std::string_view token) { return {token, false, true, true}; }
  static Seen Marked(std::string_view token) { return {token, true, true, true}; }
  bool See(const Seen& seen) { return flag_.OnDelivery(now_, seen); }

  RedeliveryFlag flag_;
  RedeliveryFlag::TimePoint now_{std::chrono::hours(1)};
};

TEST_F(RedeliveryFlagTest, AsksNothingBeforeSomethingDependsOnIt) {
  EXPECT_FALSE(See(Fresh("a")));
  EXPECT_FALSE(flag_.works() || flag_.lost());
}

TEST_F(RedeliveryFlagTest, LearnsFromWhatItGaveBackOnce) {
  flag_.Need();
  EXPECT_TRUE(See(Fresh("a")));
  EXPECT_FALSE(See(Fresh("b"))) << "not all at once";
  EXPECT_FALSE(See(Marked("a")));
  EXPECT_TRUE(flag_.works());
  now_ += std::chrono::hours(1);
  EXPECT_FALSE(See(Fresh("c")));
}

TEST_F(RedeliveryFlagTest, LearnsThatNothingIsMarkedAndAsksNoMore) {
  flag_.Need();
  EXPECT_TRUE(See(Fresh("a")));
  EXPECT_FALSE(See(Fresh("a")));
  EXPECT_TRUE(flag_.lost());
  now_ += std::chrono::hours(1);
  EXPECT_FALSE(See(Fresh("b")));
}

TEST_F(RedeliveryFlagTest, GivesBackOnlyWhatMayRunTwiceAndIsNew) {
  flag_.Need();
  EXPECT_FALSE(See({"a", false, true, false}));
  EXPECT_FALSE(See({"", false, true, true}));
  EXPECT_FALSE(See({"b", true, false, true}));
  EXPECT_FALSE(flag_.works()) << "the mark of a persistent one may be an old one";
}

TEST_F(RedeliveryFlagTest, WhoSeesAMarkGivesOneBackForTheOthers) {
  EXPECT_FALSE(See(Marked("theirs")));
  EXPECT_TRUE(flag_.works());
  EXPECT_TRUE(See(Fresh("a")));
  now_ += std::chrono::hours(1);
  EXPECT_FALSE(See(Fresh("b")));
}

TEST_F(RedeliveryFlagTest, ConsumersInTurnAllLearn) {
  RedeliveryFlag flags[3];
  for (RedeliveryFlag& flag : flags) flag.Need();
  std::size_t next = 0;
  int given_back = 0;
  for (int request = 0; request < 30; ++request) {
    const std::string token = std::to_string(request);
    bool redelivered = false;
    while (flags[next++ % 3].OnDelivery(now_, {token, redelivered, true, true})) redelivered = true, ++given_back;
    now_ += std::chrono::milliseconds(10);
  }
  for (const RedeliveryFlag& flag : flags) EXPECT_TRUE(flag.works());
  EXPECT_EQ(given_back, 3);
}

TEST_F(RedeliveryFlagTest, GivesUpAskingWhatNeverComesBack) {
  flag_.Need();
  int given_back = 0;
  for (int second = 0; second < 3'600; ++second) {
    given_back += See(Fresh(std::to_string(second))) ? 1 : 0;
    now_ += std::chrono::seconds(1);
  }
  EXPECT_EQ(given_back, 8);
  EXPECT_FALSE(flag_.works() || flag_.lost());
}

}  // namespace
}  // namespace warren::worker
