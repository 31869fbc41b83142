// Durations, sizes and addresses as people write them.
#include "shardmgr/program/units.h"

#include <gtest/gtest.h>

namespace warren::program {
namespace {

using std::chrono::milliseconds;

TEST(ParseDuration, TakesUnitsAndPlainSeconds) {
  EXPECT_EQ(ParseDuration("250ms"), milliseconds(250));
  EXPECT_EQ(ParseDuration("5s"), milliseconds(5'000));
  EXPECT_EQ(ParseDuration("2m"), milliseconds(120'000));
  EXPECT_EQ(ParseDuration("1h"), milliseconds(3'600'000));
  EXPECT_EQ(ParseDuration("5"), milliseconds(5'000));
  EXPECT_EQ(ParseDuration("0.5"), milliseconds(500));
  EXPECT_EQ(ParseDuration("0"), milliseconds(0));
}

TEST(ParseDuration, RefusesWhatIsNone) {
  for (const char* text : {"", "s", "-1s", "+1s", "5 s", "5x", "nan", "inf", "1e9", "999999999999h", "0x10", "5ms "}) {
    EXPECT_FALSE(ParseDuration(text)) << text;
  }
}

TEST(ParseSize, TakesPowersOf1024AndOf1000) {
  EXPECT_EQ(ParseSize("512"), 512u);
  EXPECT_EQ(ParseSize("64KiB"), 65'536u);
  EXPECT_EQ(ParseSize("16MiB"), 16'777'216u);
  EXPECT_EQ(ParseSize("2MB"), 2'000'000u);
  for (const char* text : {"", "KiB", "-1", "16mib", "1e30", "99999999GiB"}) EXPECT_FALSE(ParseSize(text)) << text;
}

TEST(ParseAddress, TakesNumbersBracketsAndEveryAddress) {
  EXPECT_EQ(ParseAddress("127.0.0.1:80")->ToString(), "127.0.0.1:80");
  EXPECT_EQ(ParseAddress("[::1]:8080")->ToString(), "[::1]:8080");
  EXPECT_EQ(ParseAddress(":0")->ToString(), "0.0.0.0:0");
  for (const char* text :
       {"", "80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "::1:80", "example.org:80", "1.2.3.4:-1"}) {
    EXPECT_FALSE(ParseAddress(text)) << text;
  }
}

TEST(Address, KnowsLoopback) {
  EXPECT_TRUE(ParseAddress("127.9.9.9:1")->is_loopback());
  EXPECT_TRUE(ParseAddress("[::1]:1")->is_loopback());
  EXPECT_TRUE(ParseAddress("localhost:1")->is_loopback());
  EXPECT_FALSE(ParseAddress(":1")->is_loopback());
  EXPECT_FALSE(ParseAddress("10.0.0.1:1")->is_loopback());
}

}  // namespace
}  // namespace warren::program
