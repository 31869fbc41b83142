// When the next look is due.
#include "proxy/gateway/look_pace.h"

#include <gtest/gtest.h>

namespace warren::gateway {
namespace {

using namespace std::chrono_literals;

const LookPace::Time kStart{1000s};

TEST(LookPace, LooksAtOnceAndThenFromTimeToTime) {
  LookPace pace(5s, kStart);
  EXPECT_EQ(pace.due(), kStart);
  pace.Looked(kStart, kStart + 20ms, true);
  EXPECT_EQ(pace.due(), kStart + 5s);
}

TEST(LookPace, WaitsForTheEndOfABurstButNotForLong) {
  LookPace pace(5s, kStart);
  pace.Looked(kStart, kStart + 20ms, true);
  pace.Event(kStart + 1s);
  EXPECT_EQ(pace.due(), kStart + 1s + 50ms);
  for (auto at = 1s + 10ms; at < 2s; at += 10ms) pace.Event(kStart + at);
  EXPECT_EQ(pace.due(), kStart + 1s + 300ms);
}

TEST(LookPace, LooksNoSoonerThanTheLastLookAllows) {
  LookPace pace(5s, kStart);
  pace.Looked(kStart, kStart + 20ms, true);
  pace.Event(kStart + 30ms);
  EXPECT_EQ(pace.due(), kStart + 300ms);
  pace.Looked(kStart + 300ms, kStart + 1300ms, true);
  pace.Event(kStart + 1400ms);
  EXPECT_EQ(pace.due(), kStart + 4300ms) << "three quarters of the time go without";
  EXPECT_EQ(LookPace(1s, kStart).due(), kStart);
}

TEST(LookPace, IsNotHeldUpForLongByOneSlowLook) {
  LookPace pace(5s, kStart);
  pace.Looked(kStart, kStart + 4s, true);
  pace.Event(kStart + 4s);
  EXPECT_EQ(pace.due(), kStart + 9s) << "as far apart as they are to be at most";
  pace.Looked(kStart + 9s, kStart + 19s, true);
  pace.Event(kStart + 19s);
  EXPECT_EQ(pace.due(), kStart + 29s) << "half of the time goes without";
  pace.Looked(kStart + 29s, kStart + 59s, false);
  EXPECT_EQ(pace.due(), kStart + 59s + 200ms) << "time-outs count for nothing";
}

TEST(LookPace, LooksAgainForWhatCameDuringALook) {
  LookPace pace(5s, kStart);
  pace.Event(kStart);
  pace.Event(kStart + 100ms);
  pace.Looked(kStart + 50ms, kStart + 120ms, true);
  EXPECT_EQ(pace.due(), kStart + 350ms);
  pace.Looked(kStart + 350ms, kStart + 360ms, true);
  EXPECT_EQ(pace.due(), kStart + 5350ms);
}

TEST(LookPace, TriesAgainWithGrowingPausesWhileLookingFails) {
  LookPace pace(1s, kStart);
  auto now = kStart;
  for (const auto pause : {200ms, 400ms, 800ms, 1000ms, 1000ms}) {
    const auto began = now;
    now += 10ms;
    pace.Looked(began, now, false);
    EXPECT_EQ(pace.due(), std::max(now + pause, began + 300ms));
    pace.Event(now);
    EXPECT_EQ(pace.due(), std::max(now + pause, began + 300ms)) << "events do not make it work";
    now = pace.due();
  }
  pace.Looked(now, now + 10ms, true);
  pace.Looked(now + 1s, now + 1010ms, false);
  EXPECT_EQ(pace.due(), now + 1300ms);
}

}  // namespace
}  // namespace warren::gateway
