// The shapes of export and import.
#include "coordinator/ctl/documents.h"

#include <gtest/gtest.h>

namespace warren::ctl {
namespace {

using nlohmann::json;

const std::vector<Parameter> kParameters = {
    {"stream-definition.web", json::parse(R"({"shards-per-node":2,"queue":{"arguments":{}}})"), "global parameter"},
    {"stream-policy.%2F.web", json::parse(R"({"pattern":"^w","definition":{"stream-definition":"web"}})"), "file"},
    {"stream.routing-key", "7", "global parameter"}};

std::vector<std::string> Names(const Document& document) {
  std::vector<std::string> names;
  for (const Parameter& parameter : document.parameters) names.push_back(parameter.name);
  return names;
}

void ExpectSame(const Document& document) {
  ASSERT_EQ(document.parameters.size(), kParameters.size());
  EXPECT_EQ(WarrenDocument(document.parameters), WarrenDocument(kParameters));
  EXPECT_EQ(document.parameters.back().name, "stream-policy.%2F.web") << "what a policy needs comes before it";
}

TEST(ReadDocument, ReadsWhatExportWrites) {
  const auto warren = ReadDocument(WarrenDocument(kParameters).dump(), "f");
  ASSERT_TRUE(warren) << warren.error().ToString();
  EXPECT_FALSE(warren->is_definitions);
  ExpectSame(*warren);
  const auto definitions = ReadDocument(DefinitionsDocument(kParameters).dump(), "f");
  ASSERT_TRUE(definitions) << definitions.error().ToString();
  EXPECT_TRUE(definitions->is_definitions);
  ExpectSame(*definitions);
}

TEST(DefinitionsDocument, HoldsGlobalParametersAndNothingElse) {
  const json document = DefinitionsDocument(kParameters);
  EXPECT_EQ(document.size(), 1u);
  EXPECT_EQ(document["global_parameters"].size(), 3u);
  EXPECT_EQ(document["global_parameters"][2], json::parse(R"({"name":"stream.routing-key","value":"7"})"));
}

TEST(ReadDocument, TakesOnlyOursOfAWholeDefinitionsFile) {
  const auto document = ReadDocument(R"({"rabbit_version":"3.10.8","users":[{"name":"guest"}],"queues":[],
      "global_parameters":[{"name":"cluster_name","value":"c"},{"name":"stream.routing-key","value":"7"}]})",
                                     "f");
  ASSERT_TRUE(document) << document.error().ToString();
  EXPECT_EQ(Names(*document), std::vector<std::string>{"stream.routing-key"});
  EXPECT_EQ(document->left_out, 1u);
}

TEST(ReadDocument, LeavesOutWhichNodesAreDrained) {
  for (const char* text : {R"({"stream-node.a@h":{"drain":true},"stream.routing-key":"7"})",
                           R"({"global_parameters":[{"name":"stream-node.a@h","value":{"drain":true}},
                               {"name":"stream.routing-key","value":"7"}]})"}) {
    const auto document = ReadDocument(text, "f");
    ASSERT_TRUE(document) << document.error().ToString();
    EXPECT_EQ(Names(*document), std::vector<std::string>{"stream.routing-key"}) << text;
    EXPECT_EQ(document->drained_nodes, std::vector<std::string>{"a@h"}) << text;
  }
}

// The broker writes {} as [] when it exports.
TEST(ReadDocument, RestoresEmptyObjectsOfTheBrokersOwnExport) {
  const auto document = ReadDocument(
      R"({"global_parameters":[{"name":"stream-definition.web","value":{"queue":{"arguments":[]}}}]})", "f");
  ASSERT_TRUE(document);
  EXPECT_EQ(document->parameters[0].value["queue"]["arguments"], json::object());
}

TEST(ReadDocument, RefusesWhatIsNeitherAndSaysWhere) {
  for (const char* text : {"", "{", "[]", "1", R"({"queues": 1})", R"({"stream-definitions.x": {}})",
                           R"({"stream.routing-key":"1","stream.routing-key":"2"})", R"({"global_parameters":{}})",
                           R"({"global_parameters":[1]})", R"({"global_parameters":[{"name":"stream.x"}]})",
                           R"({"global_parameters":[{"name":"stream.x","value":1},{"name":"stream.x","value":1}]})"}) {
    const auto document = ReadDocument(text, "the-file");
    ASSERT_FALSE(document) << text;
    EXPECT_EQ(document.error().code, ErrorCode::kInvalid) << text;
    EXPECT_NE(document.error().ToString().find("the-file"), std::string::npos) << document.error().ToString();
  }
}

}  // namespace
}  // namespace warren::ctl
