// Which node a new client is connected to.
#include "proxy/gateway/upstreams.h"

#include <gtest/gtest.h>

#include <set>

namespace warren::gateway {
namespace {

std::unique_ptr<Upstreams> ThreeNodes() {
  auto made = Upstreams::Make({{"a", 5672, false}, {"b", 5672, false}, {"c", 5672, false}}, {});
  EXPECT_TRUE(made);
  return std::move(*made);
}

bool AllUp(std::size_t) { return true; }

TEST(Upstreams, FewestClientsFirst) {
  const auto nodes = ThreeNodes();
  nodes->Take(0);
  nodes->Take(0);
  nodes->Take(2);
  EXPECT_EQ(nodes->InOrder(AllUp), (std::vector<std::size_t>{1, 2, 0}));
  nodes->Give(0);
  nodes->Give(0);
  EXPECT_EQ(nodes->InOrder(AllUp).back(), 2u);
}

TEST(Upstreams, InTurnWhereNothingTellsThemApart) {
  const auto nodes = ThreeNodes();
  std::set<std::size_t> firsts;
  for (int i = 0; i < 3; ++i) firsts.insert(nodes->InOrder(AllUp).front());
  EXPECT_EQ(firsts.size(), 3u);
}

TEST(Upstreams, ANodeThatIsDownComesLastHoweverFewClientsItHas) {
  const auto nodes = ThreeNodes();
  nodes->Take(0);
  nodes->Take(2);
  nodes->Take(2);
  EXPECT_EQ(nodes->InOrder([](std::size_t node) { return node != 1; }), (std::vector<std::size_t>{0, 2, 1}));
}

TEST(Upstreams, AuthoritiesThatCannotBeReadAreAnErrorOnlyWhereTlsIsUsed) {
  EXPECT_TRUE(Upstreams::Make({{"a", 5672, false}}, "/not/there.pem"));
  const auto made = Upstreams::Make({{"a", 5672, false}, {"b", 5671, true}}, "/not/there.pem");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kConfiguration);
  EXPECT_EQ(made.error().context, "/not/there.pem");
}

}  // namespace
}  // namespace warren::gateway
