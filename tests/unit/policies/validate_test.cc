// Every wrong value has a message that names the key, the value and what would be right.
#include "policies/validate.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "policies/pattern.h"

namespace warren::policies {
namespace {

using nlohmann::json;

std::string DefinitionError(const char* text) {
  const auto valid = ValidateDefinition("x", json::parse(text));
  return valid ? "no error" : valid.error().message;
}

std::string PolicyError(const char* text) {
  const auto valid = ValidatePolicy("/", "p", json::parse(text));
  return valid ? "no error" : valid.error().message;
}

TEST(ValidateDefinition, TakesTheOriginalExample) {
  EXPECT_TRUE(ValidateDefinition(
      "my_stream", json::parse(R"({"local-username": "guest", "shards-per-node": 2, "routing-key": "1234"})")));
  EXPECT_TRUE(ValidateDefinition("empty", json::object()));
}

TEST(ValidateDefinition, TakesEveryKey) {
  EXPECT_EQ(DefinitionError(R"({"local-username":"a","shards-per-node":1024,"routing-key":"","queue":{"type":"quorum",
    "durable":true,"arguments":{"x-max-length":5}},"placement":"stable","http":true,"on-remove":"retain",
    "names":"sharding"})"),
            "no error");
}

TEST(ValidateDefinition, RefusesShardsPerNodeThatIsNoIntegerFrom1To1024) {
  const std::vector<std::pair<std::string, std::string>> cases = {{"0", "0"},
                                                                  {"-1", "-1"},
                                                                  {"1.5", "1.5"},
                                                                  {"\"2\"", "\"2\""},
                                                                  {"1.0", "1.0"},
                                                                  {"1025", "1025"},
                                                                  {"null", "null"},
                                                                  {"1e9", "1000000000.0"},
                                                                  {"true", "true"},
                                                                  {"[2]", "[2]"},
                                                                  {"18446744073709551615", "18446744073709551615"}};
  for (const auto& [text, shown] : cases) {
    EXPECT_EQ(DefinitionError(("{\"shards-per-node\":" + text + "}").c_str()),
              "shards-per-node is " + shown + "; it takes an integer from 1 to 1024");
  }
}

TEST(ValidateDefinition, NamesTheParameterAsContext) {
  EXPECT_EQ(ValidateDefinition("web", json::parse(R"({"http":1})")).error().ToString(),
            "stream definition 'web': http is 1; it takes true or false");
}

TEST(ValidateDefinition, RefusesARoutingKeyThatIsNoString) {
  EXPECT_EQ(DefinitionError(R"({"routing-key":1234})"),
            "routing-key is 1234; it takes a string of at most 255 bytes (on a consistent-hash exchange an integer "
            "in a "
            "string, as in \"1234\")");
}

TEST(ValidateDefinition, CountsBytesOfARoutingKeyNotCharacters) {
  std::string key;
  for (int i = 0; i < 200; ++i) key += "ä";
  EXPECT_EQ(ValidateDefinition("x", {{"routing-key", key}}).error().message,
            "routing-key is 400 bytes long; it takes at most 255");
}

TEST(ValidateDefinition, SuggestsTheNearestKeyForAnUnknownOne) {
  const std::string error = DefinitionError(R"({"shard-per-node":2})");
  EXPECT_NE(error.find("\"shard-per-node\" is not a known key; did you mean \"shards-per-node\"?"), std::string::npos)
      << error;
  EXPECT_EQ(DefinitionError(R"({"queue":{"typ":"classic"}})"),
            "\"typ\" is not a known key in queue; did you mean \"type\"? The known keys are arguments, durable, type");
  EXPECT_EQ(DefinitionError(R"({"colour":"red"})").find("did you mean"), std::string::npos);
}

TEST(ValidateDefinition, RefusesWrongQueues) {
  EXPECT_EQ(DefinitionError(R"({"queue":{"type":"stream"}})"),
            "queue.type is \"stream\"; it takes \"classic\" or \"quorum\"");
  EXPECT_EQ(DefinitionError(R"({"queue":{"arguments":{"x-queue-type":"quorum"}}})"),
            "queue.arguments has x-queue-type; give the type with the key queue.type instead");
  EXPECT_NE(DefinitionError(R"({"queue":{"type":"quorum","durable":false}})").find("always durable"),
            std::string::npos);
  EXPECT_EQ(DefinitionError(R"({"queue":{"arguments":[]}})"),
            "queue.arguments is []; it takes an object of queue arguments, as in {\"x-message-ttl\": 60000}");
  EXPECT_EQ(DefinitionError(R"({"queue":{"durable":"yes"}})"), "queue.durable is \"yes\"; it takes true or false");
}

TEST(ValidateDefinition, RefusesValuesThatAreNoObject) {
  for (const char* text : {"null", "[]", "\"x\"", "1"}) {
    EXPECT_NE(DefinitionError(text).find("it takes a JSON object"), std::string::npos) << DefinitionError(text);
  }
}

TEST(ValidateDefinition, RefusesAnEmptyUserName) {
  EXPECT_EQ(DefinitionError(R"({"local-username":""})"),
            "local-username is \"\"; it takes the name of a user of the broker, a string that is not empty");
}

TEST(ValidateGlobal, TakesAndRefusesAsADefinitionDoes) {
  EXPECT_TRUE(ValidateGlobal("routing-key", "4321"));
  EXPECT_EQ(ValidateGlobal("routing-key", 4321).error().ToString().substr(0, 55),
            "global default 'stream.routing-key': routing-key is 432");
  EXPECT_NE(ValidateGlobal("routingkey", "1").error().message.find("did you mean \"routing-key\""), std::string::npos);
}

TEST(ValidatePolicy, TakesTheOriginalExample) {
  EXPECT_EQ(PolicyError(R"({"pattern":"^shard\\.","definition":{"stream-definition":"my_stream"}})"), "no error");
}

TEST(ValidatePolicy, GivesPcresMessageAndOffset) {
  EXPECT_EQ(PolicyError(R"({"pattern":"^(shard","definition":{"stream-definition":"x"}})"),
            "pattern '^(shard' is not a regular expression (PCRE2): missing closing parenthesis at offset 7");
}

TEST(ValidatePolicy, RefusesWrongKeysAndValues) {
  EXPECT_EQ(PolicyError(R"({"pattern":"x","apply-to":"queues","definition":{"stream-definition":"x"}})"),
            "apply-to is \"queues\"; it takes \"exchanges\", the only thing a stream policy applies to");
  EXPECT_NE(PolicyError(R"({"pattern":"x","definition":{}})")
                .find("the key stream-definition is missing in "
                      "definition"),
            std::string::npos);
  EXPECT_NE(PolicyError(R"({"definition":{"stream-definition":"x"}})").find("the key pattern is missing"),
            std::string::npos);
  EXPECT_NE(PolicyError(R"({"pattern":"x","definition":{"stream-definition":"x","ha-mode":"all"}})")
                .find("\"ha-mode\" is not a known key in definition"),
            std::string::npos);
  EXPECT_EQ(PolicyError(R"({"pattern":"x","priority":1.5,"definition":{"stream-definition":"x"}})"),
            "priority is 1.5; it takes an integer; the highest priority wins");
  EXPECT_NE(PolicyError(R"({"pattern":"x","definition":"my_stream"})")
                .find("definition is \"my_stream\"; it takes an "
                      "object that names"),
            std::string::npos);
}

TEST(Pattern, IsUnanchoredAndOnBytes) {
  const auto pattern = Pattern::Compile("b.d");
  ASSERT_TRUE(pattern);
  EXPECT_TRUE(pattern->Matches("abcde").value());
  EXPECT_FALSE(pattern->Matches("bd").value());
  EXPECT_FALSE(pattern->Matches("bäd").value());
}

TEST(Pattern, GivesUpInsteadOfBacktrackingForEver) {
  const auto pattern = Pattern::Compile("(a*)*(a*)*b{2}c|^(a+)+$");
  ASSERT_TRUE(pattern);
  const auto matches = pattern->Matches(fmt::format("{:a>200}bd", ""));
  ASSERT_FALSE(matches);
  EXPECT_NE(matches.error().message.find("limit"), std::string::npos) << matches.error().message;
}

}  // namespace
}  // namespace warren::policies
