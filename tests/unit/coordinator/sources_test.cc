// Policies from files beside global parameters: order, overriding, and files that are wrong.
#include "coordinator/sources.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace warren::coordinator {
namespace {

class SourcesTest : public ::testing::Test {
 protected:
  SourcesTest() { std::filesystem::create_directories(folder_); }
  ~SourcesTest() override { std::filesystem::remove_all(folder_); }
  void Write(const std::string& name, const std::string& text) { std::ofstream(folder_ / name) << text; }
  Sources Gather() { return files_.Gather(globals_); }

  const std::filesystem::path folder_ =
      std::filesystem::path(::testing::TempDir()) / ("sources_test_" + std::to_string(::getpid()));
  FileSources files_{folder_.string()};
  const std::vector<Parameter> globals_ = {
      {"stream-definition.a", nlohmann::json{{"shards-per-node", 1}}, "global parameter"},
      {"stream-definition.b", nlohmann::json::object(), "global parameter"}};
};

TEST_F(SourcesTest, FilesWinOverGlobalParametersAndLaterFilesOverEarlierOnes) {
  Write("2.json", R"({"stream-definition.a": {"shards-per-node": 3}})");
  Write("1.json", R"({"stream-definition.a": {"shards-per-node": 2}, "stream-definition.c": {}})");
  const Sources sources = Gather();
  ASSERT_EQ(sources.parameters.size(), 3u);
  EXPECT_EQ(sources.parameters[0].value["shards-per-node"], 3);
  EXPECT_TRUE(sources.parameters[0].source.ends_with("2.json"));
  EXPECT_EQ(sources.notices.size(), 2u);
  EXPECT_TRUE(sources.problems.empty());
}

TEST_F(SourcesTest, AFileThatIsWrongSpoilsNothingElse) {
  Write("1.json", "{");
  Write("2.json", R"({"stream-definition.c": {}})");
  Write("3.txt", "not looked at");
  std::filesystem::create_directories(folder_ / "4.json");
  const Sources sources = Gather();
  EXPECT_EQ(sources.parameters.size(), 3u);
  ASSERT_EQ(sources.problems.size(), 1u);
  EXPECT_NE(sources.problems[0].ToString().find("1.json"), std::string::npos);
  EXPECT_FALSE(sources.complete);  // It was never right: what it asks for is not known.
}

TEST_F(SourcesTest, AMissingFolderIsAProblemAndGlobalParametersStay) {
  std::filesystem::remove_all(folder_);
  const Sources sources = Gather();
  EXPECT_EQ(sources.parameters.size(), 2u);
  EXPECT_EQ(sources.problems.size(), 1u);
  EXPECT_FALSE(sources.complete);
  EXPECT_TRUE(FileSources("").Gather(globals_).problems.empty());
}

TEST_F(SourcesTest, AFileThatIsWrongForAWhileCountsAsItWas) {
  Write("1.json", R"({"stream-definition.c": {"shards-per-node": 7}})");
  EXPECT_TRUE(Gather().complete);
  Write("1.json", R"({"stream-definition.c": {"shards-)");
  Sources sources = Gather();
  EXPECT_EQ(sources.parameters.size(), 3u);
  EXPECT_EQ(sources.problems.size(), 1u);
  EXPECT_TRUE(sources.complete);
  std::filesystem::rename(folder_, folder_.string() + "_");
  sources = Gather();
  EXPECT_EQ(sources.parameters.size(), 3u);
  EXPECT_TRUE(sources.complete);
  std::filesystem::rename(folder_.string() + "_", folder_);
  std::filesystem::remove(folder_ / "1.json");
  sources = Gather();
  EXPECT_EQ(sources.parameters.size(), 2u);
  EXPECT_TRUE(sources.problems.empty());
}

}  // namespace
}  // namespace warren::coordinator
