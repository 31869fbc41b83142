// Parameter names there and back, and the exchanges that nobody may shard.
#include "policies/names.h"

#include <gtest/gtest.h>

namespace warren::policies {
namespace {

TEST(ParameterNames, AreThoseOfTheDocumentation) {
  EXPECT_EQ(DefinitionParameterName("my_stream"), "stream-definition.my_stream");
  EXPECT_EQ(PolicyParameterName("/", "my_stream"), "stream-policy.%2F.my_stream");
  EXPECT_EQ(GlobalParameterName("routing-key"), "stream.routing-key");
  EXPECT_EQ(NodeParameterName("rabbit1@host"), "stream-node.rabbit1@host");
}

TEST(ParameterNames, ComeBackAsTheyWere) {
  for (const char* vhost : {"/", "a.b", "100%", "über uns", "~x_y-z", "%2F"}) {
    for (const char* name : {"web", "a.b.c", ".", "%2F"}) {
      const ParameterName expected{ParameterKind::kPolicy, vhost, name};
      EXPECT_EQ(ParseParameterName(PolicyParameterName(vhost, name)).value(), expected) << vhost << " " << name;
    }
  }
  EXPECT_EQ(ParseParameterName("stream-definition.a.b").value(),
            (ParameterName{ParameterKind::kDefinition, "", "a.b"}));
  EXPECT_EQ(ParseParameterName("stream.http").value(), (ParameterName{ParameterKind::kGlobal, "", "http"}));
  EXPECT_EQ(ParseParameterName("stream-policy.%2f.web").value().vhost, "/");
  EXPECT_EQ(ParseParameterName("stream-node.a@h.org").value(), (ParameterName{ParameterKind::kNode, "", "a@h.org"}));
}

TEST(ParameterNames, WrongOnesAreRefused) {
  for (const char* name : {"", "stream", "cluster_name", "streams.x", "stream.", "stream-definition.", "stream-node.",
                           "stream-policy.", "stream-policy.%2F", "stream-policy.%2F.", "stream-policy..web",
                           "stream-policy.%.web", "stream-policy.%2.web", "stream-policy.%zz.web"}) {
    EXPECT_FALSE(ParseParameterName(name)) << name;
  }
  EXPECT_NE(ParseParameterName("stream-policy.%2.web").error().message.find("offset 0"), std::string::npos);
}

TEST(ReservedExchanges, AreTheBrokersAndWarrens) {
  for (const char* name : {"", "amq.topic", "stream: a - b - 0", "sharding: a", "warren.dead"}) {
    EXPECT_TRUE(IsReservedExchange(name)) << name;
  }
  for (const char* name : {"amq", "shard.amq.topic", "stream:", "warren", "Amq.x"}) {
    EXPECT_FALSE(IsReservedExchange(name)) << name;
  }
}

}  // namespace
}  // namespace warren::policies
