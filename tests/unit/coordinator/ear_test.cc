// When a coordinator knows enough of a vhost's consumers to tell them what to do, and when silence means that one is
// gone.
#include "coordinator/ear.h"

#include <gtest/gtest.h>

namespace warren::coordinator {
namespace {

constexpr std::int64_t kStart = 1'000'000;

TEST(Ear, ListensForAMomentWhereNobodyHoldsAnything) {
  Ear ear;
  EXPECT_TRUE(ear.IsTooEarly(kStart, kStart + 99'000)) << "nobody could be heard yet";
  EXPECT_TRUE(ear.Update(true, kStart));
  ear.Heard(false, 0);
  EXPECT_TRUE(ear.IsTooEarly(kStart, kStart + Ear::kListenMs - 1));
  EXPECT_FALSE(ear.IsTooEarly(kStart, kStart + Ear::kListenMs));
}

TEST(Ear, ListensForAllHellosWhereSomebodyWasToldBefore) {
  Ear ear;
  ear.Update(true, kStart);
  ear.Heard(true, 0);
  EXPECT_TRUE(ear.IsTooEarly(kStart, kStart + Ear::kAfterLeaderMs - 1));
  EXPECT_FALSE(ear.IsTooEarly(kStart, kStart + Ear::kAfterLeaderMs));
  // Another led for a while after it began to hear: each says hello within ten seconds in any case.
  EXPECT_TRUE(ear.IsTooEarly(kStart + 5'000, kStart + Ear::kAfterLeaderMs));
  EXPECT_FALSE(ear.IsTooEarly(kStart + 5'000, kStart + Ear::kAllHelloMs));
  EXPECT_FALSE(ear.IsTooEarly(kStart + 60'000, kStart + 60'000)) << "who followed knows them all";
}

TEST(Ear, OneThatItGaveShardsItselfHoldsNothingUp) {
  Ear ear;
  ear.Update(true, kStart);
  ear.Heard(false, 0);
  ear.Heard(true, kStart + 1'300);
  EXPECT_FALSE(ear.IsTooEarly(kStart, kStart + 2'000));
}

TEST(Ear, AfterAShortDeafnessGoesOnAndAfterALongOneListensAnew) {
  Ear ear;
  ear.Update(true, kStart);
  EXPECT_FALSE(ear.Update(true, kStart + 1)) << "no news";
  EXPECT_FALSE(ear.Update(false, kStart + 20'000));
  EXPECT_FALSE(ear.hears());
  EXPECT_TRUE(ear.Update(true, kStart + 20'000 + Ear::kDeafMs)) << "silence counts from here";
  EXPECT_FALSE(ear.IsTooEarly(kStart, kStart + 30'000));
  ear.Update(false, kStart + 40'000);
  ear.Update(true, kStart + 60'000);
  EXPECT_TRUE(ear.IsTooEarly(kStart, kStart + 60'001));
  ear.Heard(true, kStart + 39'000);
  EXPECT_TRUE(ear.IsTooEarly(kStart, kStart + 60'000 + Ear::kAfterLeaderMs - 1));
  EXPECT_FALSE(ear.IsTooEarly(kStart, kStart + 60'000 + Ear::kAfterLeaderMs));
  EXPECT_TRUE(ear.IsFresh(kStart, kStart + 60'001));
  EXPECT_FALSE(ear.IsFresh(kStart, kStart + 60'000 + Ear::kAllHelloMs));
}

}  // namespace
}  // namespace warren::coordinator
