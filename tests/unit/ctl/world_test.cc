// Which virtual host is meant.
#include "coordinator/ctl/world.h"

#include <gtest/gtest.h>

namespace warren::ctl {
namespace {

TEST(CheckVhost, NamesThoseThatThereAre) {
  Context context;
  context.vhost = "taem";
  context.user = "someone";
  const auto checked = CheckVhost(context, {"/", "team"});
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, ErrorCode::kNotFound);
  for (const char* words : {"'taem'", "'team'", "'someone'", "--vhost"}) {
    EXPECT_NE(checked.error().ToString().find(words), std::string::npos) << checked.error().ToString();
  }
  context.vhost = "team";
  EXPECT_TRUE(CheckVhost(context, {"/", "team"}));
}

// Nobody is asked: there is no broker here.
TEST(CheckGivenVhost, TakesInAllOfThemUnlessOneIsNamed) {
  Context context;
  context.vhost = "taem";
  EXPECT_TRUE(CheckGivenVhost(context));
}

}  // namespace
}  // namespace warren::ctl
