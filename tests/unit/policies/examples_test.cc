// Every published example is valid, and the original one is there word for word.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "policies/catalog.h"
#include "policies/file.h"

namespace warren::policies {
namespace {

std::string ReadFile(const std::filesystem::path& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(Examples, AreAllValid) {
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(WARREN_EXAMPLES)) {
    const auto parameters = ParsePoliciesFile(ReadFile(entry.path()), entry.path().string());
    ASSERT_TRUE(parameters) << parameters.error().ToString();
    const Catalog catalog = Catalog::Build(*parameters);
    for (const Error& problem : catalog.problems()) ADD_FAILURE() << problem.ToString();
    EXPECT_FALSE(catalog.policies().empty()) << entry.path();
    ++files;
  }
  EXPECT_GE(files, 5U);
}

TEST(Examples, HoldTheOriginalPluginsExample) {
  const std::string text = ReadFile(std::filesystem::path(WARREN_EXAMPLES) / "my_stream.json");
  EXPECT_NE(text.find(R"({"local-username": "guest", "shards-per-node": 2, "routing-key": "1234"})"),
            std::string::npos);
  const Catalog catalog = Catalog::Build(ParsePoliciesFile(text, "my_stream.json").value());
  const auto resolution = catalog.Resolve("/", "shard.logs_stream");
  ASSERT_TRUE(resolution && resolution->spec);
  EXPECT_EQ(resolution->spec->routing_key, "1234");
  EXPECT_EQ(resolution->spec->shards_per_node, 2);
}

}  // namespace
}  // namespace warren::policies
