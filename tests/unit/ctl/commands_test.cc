// The grammar of commands and options.
#include <gtest/gtest.h>

#include "coordinator/ctl/cli.h"
#include "coordinator/ctl/user_parameters.h"

namespace warren::ctl {
namespace {

using Words = std::vector<std::string>;

TEST(FindCommand, TakesDashesForUnderscores) {
  ASSERT_TRUE(FindCommand("list-streams"));
  EXPECT_EQ((*FindCommand("list-streams"))->name, "list_streams");
}

TEST(FindCommand, NamesTheNearestOne) {
  const auto command = FindCommand("list_stream");
  ASSERT_FALSE(command);
  EXPECT_EQ(command.error().code, ErrorCode::kUsage);
  EXPECT_NE(command.error().message.find("'list_streams'"), std::string::npos) << command.error().message;
}

TEST(Commands, AllHaveAFunctionASummaryAndHelp) {
  for (const Command& command : Commands()) {
    EXPECT_NE(command.run, nullptr) << command.name;
    EXPECT_FALSE(command.summary.empty()) << command.name;
    EXPECT_NE(HelpOf(command).find(command.usage), std::string::npos) << command.name;
    EXPECT_NE(MakeOptions().Help().find(command.name), std::string::npos) << command.name;
  }
}

TEST(CheckArguments, SaysTheUsage) {
  const Command& command = **FindCommand("set_parameter");
  EXPECT_TRUE(CheckArguments(command, {"a", "b", "c"}));
  const auto checked = CheckArguments(command, {"a"});
  ASSERT_FALSE(checked);
  EXPECT_NE(checked.error().message.find("COMPONENT NAME VALUE"), std::string::npos);
}

TEST(WithNegativeValue, LetsTheLastArgumentBeANegativeNumber) {
  EXPECT_EQ(WithNegativeValue({"warrenctl", "x", "-1"}), (Words{"warrenctl", "x", "--", "-1"}));
  EXPECT_EQ(WithNegativeValue({"warrenctl", "x", "--priority", "-1"}), (Words{"warrenctl", "x", "--priority", "-1"}));
  EXPECT_EQ(WithNegativeValue({"warrenctl", "x", "-q"}), (Words{"warrenctl", "x", "-q"}));
}

TEST(Options, StandAnywhereOnTheLine) {
  const char* line[] = {"warrenctl", "set_policy", "--priority", "-5", "n", "-p", "team", "p", "-q", "d"};
  const auto parsed = MakeOptions().Parse(10, line, nullptr);
  ASSERT_TRUE(parsed) << parsed.error().ToString();
  EXPECT_EQ(parsed->arguments(), (Words{"set_policy", "n", "p", "d"}));
  EXPECT_EQ(parsed->Integer("priority"), -5);
  EXPECT_EQ(parsed->Text("vhost"), "team");
  EXPECT_TRUE(parsed->Flag("quiet"));
}

TEST(OpenSession, RefusesOptionsOfAnotherCommand) {
  const char* line[] = {"warrenctl", "apply", "--priority", "5"};
  const auto parsed = MakeOptions().Parse(4, line, nullptr);
  ASSERT_TRUE(parsed);
  const auto session = OpenSession(*parsed, **FindCommand("apply"));
  ASSERT_FALSE(session);
  EXPECT_EQ(session.error().code, ErrorCode::kUsage);
}

TEST(OpenSession, RefusesToExportATable) {
  const char* line[] = {"warrenctl", "export", "--formatter", "csv"};
  const auto parsed = MakeOptions().Parse(4, line, nullptr);
  ASSERT_TRUE(parsed);
  const auto session = OpenSession(*parsed, **FindCommand("export"));
  ASSERT_FALSE(session);
  EXPECT_EQ(session.error().code, ErrorCode::kUsage);
  EXPECT_TRUE(OpenSession(*parsed, **FindCommand("list_nodes")));
}

TEST(OpenSession, NamesTheCommandsAnOptionIsFor) {
  const char* line[] = {"warrenctl", "list_nodes", "--coordinator", "http://127.0.0.1:1"};
  const auto parsed = MakeOptions().Parse(4, line, nullptr);
  ASSERT_TRUE(parsed) << parsed.error().ToString();
  const auto session = OpenSession(*parsed, **FindCommand("list_nodes"));
  ASSERT_FALSE(session);
  EXPECT_NE(session.error().message.find("status, events"), std::string::npos) << session.error().message;
}

// One environment serves all commands, and the coordinator as well.
TEST(OpenSession, TakesOptionsOfOtherCommandsFromTheEnvironment) {
  const char* line[] = {"warrenctl", "list_nodes"};
  const char* environment[] = {"WARREN_PRIORITY=3", "WARREN_COORDINATOR=http://127.0.0.1:1", nullptr};
  const auto parsed = MakeOptions().Parse(2, line, environment);
  ASSERT_TRUE(parsed) << parsed.error().ToString();
  EXPECT_TRUE(OpenSession(*parsed, **FindCommand("list_nodes")));
}

TEST(OpenSession, TakesTimeoutForAllOfACommandThatWaits) {
  const char* line[] = {"warrenctl", "delete_stream", "x", "--timeout", "60s"};
  const auto parsed = MakeOptions().Parse(5, line, nullptr);
  ASSERT_TRUE(parsed);
  const auto waiting = OpenSession(*parsed, **FindCommand("delete_stream"));
  ASSERT_TRUE(waiting);
  EXPECT_EQ(waiting->context.time_limit, std::chrono::seconds(60));
  EXPECT_EQ(waiting->context.request_timeout, std::chrono::seconds(10));
  const auto single = OpenSession(*parsed, **FindCommand("list_shards"));
  ASSERT_TRUE(single);
  EXPECT_EQ(single->context.request_timeout, std::chrono::seconds(60));
}

TEST(Commands, EveryOptionOfTheirsExists) {
  const auto set = MakeOptions();
  for (const Command& command : Commands()) {
    for (const std::string_view option : command.options) {
      const auto& all = set.options();
      EXPECT_TRUE(std::any_of(all.begin(), all.end(),
                              [&](const program::Option& known) {
                                return known.name == option || known.name.starts_with(std::string(option) + ",");
                              }))
          << command.name << " --" << option;
    }
  }
}

TEST(Merge, LetsFilesWin) {
  const auto merged = Merge({{"a", 1, "broker"}, {"b", 2, "broker"}}, {{"b", 3, "file"}});
  ASSERT_EQ(merged.size(), 2u);
  EXPECT_EQ(merged[1].value, 3);
  EXPECT_EQ(merged[1].source, "file");
}

}  // namespace
}  // namespace warren::ctl
