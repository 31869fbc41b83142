// Strict JSON: what is refused, and that the message says where.
#include "policies/json.h"

#include <gtest/gtest.h>

namespace warren {
namespace {

std::string ErrorOf(std::string_view text) {
  const auto parsed = ParseJson(text, "the test");
  return parsed ? "no error" : parsed.error().ToString();
}

TEST(ParseJson, BuildsTheDocument) {
  const auto parsed = ParseJson(R"( {"a": [1, -2, 2.5, true, null, "x"], "b": {"c": {}}, "d": []} )", "");
  ASSERT_TRUE(parsed) << parsed.error().ToString();
  EXPECT_EQ(*parsed, nlohmann::json::parse(R"({"a": [1, -2, 2.5, true, null, "x"], "b": {"c": {}}, "d": []})"));
}

TEST(ParseJson, TakesAScalarAsDocument) { EXPECT_EQ(ParseJson("\"4321\"", "").value(), "4321"); }

TEST(ParseJson, RefusesAKeyGivenTwiceAndNamesIt) {
  EXPECT_EQ(ErrorOf("{\"a\": 1,\n \"b\": {\"key\": 1, \"key\": 2}}"),
            "the test: not valid JSON: line 2, column 22: the key \"key\" is given twice in one object; give it once");
}

TEST(ParseJson, LetsNobodySpoilTheBrokersAnswerForOthers) {
  const std::string deep = std::string(100, '[') + "1" + std::string(100, ']');
  const std::string text = R"([{"arguments": {"a": 1, "a": 2, "deep": )" + deep + R"(}, "name": "q"}, {"name": "r"}])";
  EXPECT_FALSE(ParseJson(text, ""));
  const auto parsed = ParseJson(text, "", JsonRules::kForeign);
  ASSERT_TRUE(parsed) << parsed.error().ToString();
  EXPECT_EQ((*parsed)[0]["arguments"]["a"], 2);
  EXPECT_EQ((*parsed)[0]["name"], "q");
  EXPECT_EQ((*parsed)[1]["name"], "r");
  nlohmann::json inner = (*parsed)[0]["arguments"]["deep"];
  std::size_t depth = 3;  // The list, the queue and its arguments are around it.
  for (; inner.is_array(); ++depth) inner = nlohmann::json(inner[0]);
  EXPECT_TRUE(inner.is_null());
  EXPECT_EQ(depth, kMaxJsonDepth);
}

TEST(ParseJson, TakesTheSameKeyInDifferentObjects) { EXPECT_TRUE(ParseJson(R"([{"a":1},{"a":{"a":2}}])", "")); }

TEST(ParseJson, SaysLineColumnAndWhatWasExpected) {
  const std::string error = ErrorOf("{\n  \"a\": 1,\n  b: 2\n}");
  EXPECT_NE(error.find("line 3, column 3"), std::string::npos) << error;
  EXPECT_NE(error.find("expected string literal"), std::string::npos) << error;
}

TEST(ParseJson, RefusesWhatIsNotOneWholeDocument) {
  for (const char* text :
       {"", "  \n", "{", "[1,]", "{} {}", "nul", "'a'", "<html>", "\xff", "\"\xc3\"", "1e999", "01"}) {
    EXPECT_FALSE(ParseJson(text, "")) << text;
  }
}

TEST(ParseJson, BoundsTheDepth) {
  const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(ParseJson(nested(kMaxJsonDepth), ""));
  EXPECT_NE(ErrorOf(nested(kMaxJsonDepth + 1)).find("nested deeper than 64"), std::string::npos);
  EXPECT_FALSE(ParseJson(std::string(1'000'000, '['), ""));
}

TEST(JsonForMessage, CutsAtAWholeCharacter) {
  EXPECT_EQ(JsonForMessage("äää", 4), "\"ä…");
  EXPECT_EQ(JsonForMessage({{"a", 1}}), "{\"a\":1}");
  EXPECT_FALSE(JsonForMessage("\xff\xfe").empty());
}

}  // namespace
}  // namespace warren
