// How many clients fit a limit of open files.
#include "shardmgr/program/descriptors.h"

#include <gtest/gtest.h>

#include <limits>

namespace warren::program {
namespace {

constexpr DescriptorNeeds kNeeds{1, 100};

TEST(ConnectionsThatFit, LeavesDescriptorsForTheRest) { EXPECT_EQ(ConnectionsThatFit(10'000, kNeeds, 1'024), 924u); }

TEST(ConnectionsThatFit, AreFewerWhereEachTakesSeveralDescriptors) {
  EXPECT_EQ(ConnectionsThatFit(10'000, {2, 100}, 1'025), 462u);
}

TEST(ConnectionsThatFit, IsWhatIsWantedWhereThatFits) {
  EXPECT_EQ(ConnectionsThatFit(10'000, kNeeds, 65'536), 10'000u);
  EXPECT_EQ(ConnectionsThatFit(10'000, {2, 100}, std::numeric_limits<std::size_t>::max()), 10'000u);
}

TEST(ConnectionsThatFit, IsOneAtLeast) { EXPECT_EQ(ConnectionsThatFit(10, kNeeds, 20), 1u); }

}  // namespace
}  // namespace warren::program
