// Which policy applies, what a definition resolves to, and how far a mistake spreads.
#include "policies/catalog.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "policies/file.h"

namespace warren::policies {
namespace {

using nlohmann::json;

Catalog Read(const char* text, std::string source = "test.json") {
  return Catalog::Build(ParsePoliciesFile(text, std::move(source)).value());
}

TEST(Catalog, ResolvesDefinitionThenGlobalThenDefault) {
  const Catalog catalog = Read(R"({
    "stream-definition.a": {"shards-per-node": 2},
    "stream-policy.%2F.p": {"pattern": "^shard\\.", "definition": {"stream-definition": "a"}},
    "stream.shards-per-node": 7, "stream.routing-key": "4321"})");
  const auto resolution = catalog.Resolve("/", "shard.logs");
  ASSERT_TRUE(resolution && resolution->spec);
  StreamSpec expected;
  expected.definition = "a";
  expected.policy = "p";
  expected.shards_per_node = 2;
  expected.routing_key = "4321";
  EXPECT_EQ(*resolution->spec, expected);
  EXPECT_TRUE(catalog.problems().empty());
}

TEST(Catalog, MatchesOnlyItsVhostAndNoReservedName) {
  const Catalog catalog = Read(R"({"stream-definition.a": {},
    "stream-policy.v%2E1.p": {"pattern": "", "definition": {"stream-definition": "a"}}})");
  EXPECT_TRUE(catalog.Resolve("v.1", "anything"));
  EXPECT_FALSE(catalog.Resolve("/", "anything"));
  for (const char* name : {"", "amq.direct", "warren.dead", "stream: x", "sharding: x"}) {
    EXPECT_FALSE(catalog.Resolve("v.1", name)) << name;
  }
}

TEST(Catalog, HighestPriorityWinsThenSmallestName) {
  const Catalog catalog = Read(R"({"stream-definition.a": {},
    "stream-policy.%2F.c": {"pattern": "x", "priority": 1, "definition": {"stream-definition": "a"}},
    "stream-policy.%2F.b": {"pattern": "x", "priority": 1, "definition": {"stream-definition": "a"}},
    "stream-policy.%2F.a": {"pattern": "x", "definition": {"stream-definition": "a"}},
    "stream-policy.%2F.0": {"pattern": "xy", "priority": 2, "definition": {"stream-definition": "a"}}})");
  EXPECT_EQ(catalog.Resolve("/", "x")->policy, "b");
  EXPECT_EQ(catalog.Resolve("/", "xy")->policy, "0");
}

TEST(Catalog, AnUnknownDefinitionIsSaidOnlyForExchangesThatMatch) {
  const Catalog catalog =
      Read(R"({"stream-policy.%2F.p": {"pattern": "^a", "definition": {"stream-definition": "x"}}})");
  EXPECT_FALSE(catalog.Resolve("/", "b"));
  const auto resolution = catalog.Resolve("/", "a");
  ASSERT_TRUE(resolution && resolution->error);
  EXPECT_FALSE(resolution->spec);
  EXPECT_EQ(resolution->error->ToString(),
            "policy 'p' of vhost '/' names stream definition 'x', which does not exist; define it with: warrenctl "
            "set_parameter stream-definition x '{…}'");
}

TEST(Catalog, AMistakeSpoilsOnlyWhatRefersToIt) {
  const Catalog catalog = Read(R"({"stream-definition.bad": {"shards-per-node": 0}, "stream-definition.good": {},
    "stream-policy.%2F.bad": {"pattern": "^bad", "definition": {"stream-definition": "bad"}},
    "stream-policy.%2F.broken": {"pattern": "(", "definition": {"stream-definition": "good"}},
    "stream-policy.%2F.good": {"pattern": "^good", "definition": {"stream-definition": "good"}}})");
  EXPECT_EQ(catalog.problems().size(), 2U);
  EXPECT_EQ(catalog.problems()[0].context, "stream definition 'bad' (test.json)");
  EXPECT_TRUE(catalog.Resolve("/", "good")->spec);
  EXPECT_NE(catalog.Resolve("/", "bad")->error->message.find("shards-per-node is 0"), std::string::npos);
}

TEST(Catalog, AnInvalidGlobalSpoilsOnlyDefinitionsThatNeedIt) {
  const Catalog catalog = Read(R"({"stream.shards-per-node": "2", "stream.unknown": 1, "stream-definition.needs": {},
    "stream-definition.own": {"shards-per-node": 3},
    "stream-policy.%2F.needs": {"pattern": "^needs", "definition": {"stream-definition": "needs"}},
    "stream-policy.%2F.own": {"pattern": "^own", "definition": {"stream-definition": "own"}}})");
  EXPECT_EQ(catalog.problems().size(), 2U);
  EXPECT_TRUE(catalog.Resolve("/", "needs")->error);
  EXPECT_EQ(catalog.Resolve("/", "own")->spec->shards_per_node, 3);
}

TEST(Catalog, LaterSourcesWin) {
  const json one = {{"shards-per-node", 1}};
  const json two = {{"shards-per-node", 2}};
  const json policy = {{"pattern", "x"}, {"definition", {{"stream-definition", "a"}}}};
  const Catalog catalog = Catalog::Build({{"stream-definition.a", one, "global parameter"},
                                          {"stream-policy.%2F.p", policy, "global parameter"},
                                          {"cluster_name", "not ours", "global parameter"},
                                          {"stream-definition.a", two, "file"}});
  EXPECT_TRUE(catalog.problems().empty());
  EXPECT_EQ(catalog.Resolve("/", "x")->spec->shards_per_node, 2);
}

TEST(Catalog, AnHttpStreamWithADeadLetterExchangeOfItsOwnIsRefused) {
  const Catalog catalog = Read(R"({"stream-definition.a": {"http": true,
      "queue": {"arguments": {"x-dead-letter-exchange": "mine"}}},
    "stream-policy.%2F.p": {"pattern": "x", "definition": {"stream-definition": "a"}}})");
  EXPECT_NE(catalog.Resolve("/", "x")->error->message.find("warren.dead"), std::string::npos);
}

TEST(Catalog, APatternThatGivesUpStopsTheSearchWithAnError) {
  const Catalog catalog = Read(R"({"stream-definition.a": {},
    "stream-policy.%2F.p": {"pattern": "^(a+)+$", "priority": 1, "definition": {"stream-definition": "a"}},
    "stream-policy.%2F.q": {"pattern": "", "definition": {"stream-definition": "a"}}})");
  const auto resolution = catalog.Resolve("/", fmt::format("{:a>200}bd", ""));
  ASSERT_TRUE(resolution);
  EXPECT_EQ(resolution->policy, "p");
  EXPECT_TRUE(resolution->error);
}

TEST(Catalog, AnExchangeDoesNotFallToAnotherPolicyBecauseOfAMistakeInItsOwn) {
  const Catalog catalog = Read(R"({"stream-definition.a": {},
    "stream-policy.%2F.all": {"pattern": "", "definition": {"stream-definition": "a"}},
    "stream-policy.%2F.mine": {"pattern": "^x", "priority": 5, "definition": {"stream-definitoin": "a"}},
    "stream-policy.%2F.none": {"priority": 9, "definition": {"stream-definition": "a"}}})");
  EXPECT_EQ(catalog.problems().size(), 2U);
  const auto resolution = catalog.Resolve("/", "x1");
  ASSERT_TRUE(resolution);
  EXPECT_EQ(resolution->policy, "mine");
  EXPECT_FALSE(resolution->spec);
  EXPECT_TRUE(resolution->error);
  EXPECT_TRUE(catalog.Resolve("/", "y1")->spec);
  EXPECT_EQ(catalog.policies().size(), 1U);
}

TEST(Catalog, KnowsTheNodesThatAreToBeDrained) {
  const Catalog catalog = Read(R"({"stream-node.b@h": {"drain": true}, "stream-node.a@h": {"drain": true},
    "stream-node.c@h": {"drain": false}})");
  EXPECT_EQ(catalog.drained_nodes(), (std::vector<std::string>{"a@h", "b@h"}));
  EXPECT_TRUE(catalog.problems().empty());
  for (const char* wrong : {"true", "{}", R"({"drain": "yes"})", R"({"drain": true, "since": 1})"}) {
    const Catalog bad = Read((std::string(R"({"stream-node.a@h": )") + wrong + "}").c_str());
    EXPECT_TRUE(bad.drained_nodes().empty()) << wrong;
    ASSERT_EQ(bad.problems().size(), 1U) << wrong;
    EXPECT_NE(bad.problems()[0].context.find("stream node 'a@h'"), std::string::npos) << wrong;
  }
}

TEST(ParsePoliciesFile, RefusesNamesThatAreNotOurs) {
  const auto parsed = ParsePoliciesFile(R"({"stream-definitions.a": {}})", "dir/a.json");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().context, "dir/a.json: stream-definitions.a");
  EXPECT_FALSE(ParsePoliciesFile("[]", "a.json"));
  EXPECT_FALSE(ParsePoliciesFile("{\"stream.http\":true,\"stream.http\":true}", "a.json"));
  EXPECT_FALSE(ParsePoliciesFile(std::string(kMaxPoliciesFileBytes + 1, ' '), "a.json"));
}

}  // namespace
}  // namespace warren::policies
