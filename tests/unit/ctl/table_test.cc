// The three output formats.
#include "coordinator/ctl/table.h"

#include <gtest/gtest.h>

namespace warren::ctl {
namespace {

const Table kTable{{"name", "count"}, {{"a, \"b\"", 1}, {"\xC3\xBC", nullptr}}};

TEST(RenderTable, AlignsColumnsByWidthAndNotByBytes) {
  EXPECT_EQ(Render({{"n", "m"}, {{"\xC3\xBC\xC3\xBC", "x"}, {"ab", "y"}}}, Format::kTable),
            "n   m\n\xC3\xBC\xC3\xBC  x\nab  y\n");
}

TEST(RenderTable, ShowsUnknownAsNothingAndLeavesNoBlanksAtTheEnd) {
  EXPECT_EQ(Render({{"n", "m"}, {{"a", nullptr}}}, Format::kTable), "n  m\na\n");
}

TEST(RenderTable, EscapesControlCharacters) {
  EXPECT_EQ(Render({{"n"}, {{"a\x1b[2Jb\n"}}}, Format::kTable), "n\na\\x1b[2Jb\\x0a\n");
}

TEST(RenderCsv, QuotesAsRfc4180Says) {
  EXPECT_EQ(Render(kTable, Format::kCsv), "name,count\n\"a, \"\"b\"\"\",1\n\xC3\xBC,\n");
}

TEST(RenderJson, IsAListOfObjectsWithNullForUnknown) {
  EXPECT_EQ(nlohmann::json::parse(Render(kTable, Format::kJson)),
            nlohmann::json::parse(R"([{"name":"a, \"b\"","count":1},{"name":"ü","count":null}])"));
  EXPECT_EQ(Render({{"n"}, {}}, Format::kJson), "[]\n");
}

}  // namespace
}  // namespace warren::ctl
