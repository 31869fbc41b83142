// How many clients fit a limit of open files.
#include "proxy/http/descriptors.h"

#include <gtest/gtest.h>

#include <limits>

namespace warren::proxy {
namespace {

TEST(ConnectionsThatFit, LeavesDescriptorsForTheRest) {
  EXPECT_EQ(ConnectionsThatFit(10'000, 1, 1'024), 1'024 - kDescriptorsAside - kDescriptorsPerThread);
  EXPECT_EQ(ConnectionsThatFit(10'000, 4, 1'024), 1'024 - kDescriptorsAside - 4 * kDescriptorsPerThread);
}

TEST(ConnectionsThatFit, IsWhatIsWantedWhereThatFits) {
  EXPECT_EQ(ConnectionsThatFit(10'000, 2, 65'536), 10'000u);
  EXPECT_EQ(ConnectionsThatFit(10'000, 2, std::numeric_limits<std::size_t>::max()), 10'000u);
}

TEST(ConnectionsThatFit, IsOneAtLeast) { EXPECT_EQ(ConnectionsThatFit(10, 1, 20), 1u); }

}  // namespace
}  // namespace warren::proxy
