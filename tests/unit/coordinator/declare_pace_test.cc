// When work makes way for clients that declare exchanges.
#include "coordinator/declare_pace.h"

#include <gtest/gtest.h>

namespace warren::coordinator {
namespace {

using std::chrono::milliseconds;

constexpr DeclarePace::Time kStart{std::chrono::hours(1)};

DeclarePace AfterBurst(int declarations, milliseconds apart, DeclarePace::Time* last) {
  DeclarePace pace;
  for (int i = 0; i < declarations; ++i) pace.Declared(*last = kStart + i * apart);
  return pace;
}

TEST(DeclarePace, DoesNotMindAFewDeclarations) {
  auto last = kStart;
  EXPECT_FALSE(DeclarePace().At(kStart).until);
  EXPECT_FALSE(AfterBurst(DeclarePace::kFew, milliseconds(1), &last).At(last).until);
  EXPECT_FALSE(AfterBurst(100, DeclarePace::kWindow, &last).At(last).until);
}

TEST(DeclarePace, WaitsUntilABurstIsOver) {
  auto last = kStart;
  const DeclarePace pace = AfterBurst(50, milliseconds(5), &last);
  const auto verdict = pace.At(last);
  EXPECT_EQ(verdict.at_once, 0u);
  ASSERT_TRUE(verdict.until);
  EXPECT_LE(*verdict.until, last + DeclarePace::kQuiet + milliseconds(1));
  EXPECT_FALSE(pace.At(*verdict.until).until) << "what it says to wait for has come";
}

TEST(DeclarePace, GoesOnOneByOneInABurstThatDoesNotEnd) {
  auto last = kStart;
  const DeclarePace pace = AfterBurst(20'000, milliseconds(5), &last);
  EXPECT_EQ(pace.At(last).at_once, 1u);
  EXPECT_TRUE(pace.At(last).until);
  EXPECT_FALSE(pace.At(last + DeclarePace::kQuiet + milliseconds(1)).until);
}

TEST(DeclarePace, AWaitNeverLastsLongerThanItsLimit) {
  auto last = kStart;
  DeclarePace pace = AfterBurst(3'000, milliseconds(5), &last);
  const auto began = kStart + DeclarePace::kFew * milliseconds(5);
  for (auto now = last; now < began + DeclarePace::kLongest; now = *pace.At(now).until) pace.Declared(now);
  const auto after = began + DeclarePace::kLongest + milliseconds(1);
  pace.Declared(after);
  EXPECT_EQ(pace.At(after).at_once, 1u);
}

TEST(DeclarePace, TakesTheNextBurstForANewOne) {
  auto last = kStart;
  DeclarePace pace = AfterBurst(20'000, milliseconds(5), &last);
  auto now = last + std::chrono::seconds(5);
  pace.Declared(now);
  EXPECT_FALSE(pace.At(now).until);
  for (int i = 0; i < 10; ++i) pace.Declared(now += milliseconds(5));
  EXPECT_EQ(pace.At(now).at_once, 0u);
}

}  // namespace
}  // namespace warren::coordinator
