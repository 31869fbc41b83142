// Log lines: the form, and that a stranger's data cannot break it.
#include "shardmgr/program/logging.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace warren::program {
namespace {

constexpr std::int64_t kTimeMs = 1'767'323'045'678;  // 2026-01-02T03:04:05.678Z

TEST(FormatLogLine, WritesTextWithPlainValuesBare) {
  const std::string line = FormatLogLine(LogFormat::kText, kTimeMs, LogLevel::kInfo, "warren-proxy", "shard bound",
                                         {{"exchange", "shard.web"}, {"took_ms", 3}, {"ok", true}, {"rate", 0.5}});
  EXPECT_EQ(line,
            "2026-01-02T03:04:05.678Z info    warren-proxy: shard bound exchange=shard.web took_ms=3 ok=true rate=0.5");
}

TEST(FormatLogLine, QuotesTextThatCouldForgeALine) {
  const std::string line =
      FormatLogLine(LogFormat::kText, kTimeMs, LogLevel::kWarning, "p", "bad\nmessage",
                    {{"path", "/a b"}, {"name", "x\n2026 error forged"}, {"empty", ""}, {"eq", "a=b"}});
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_NE(line.find(R"(path="/a b" name="x\n2026 error forged" empty="" eq="a=b")"), std::string::npos) << line;
}

TEST(FormatLogLine, WritesJsonThatParsesWhateverTheBytes) {
  const std::string hostile("\xff\xfe\"\\\n\t\x01\0end", 11);
  const std::string line = FormatLogLine(LogFormat::kJson, kTimeMs, LogLevel::kError, "warren-worker", hostile,
                                         {{"field", hostile}, {"count", 7}, {"ok", false}});
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const auto object = nlohmann::json::parse(line);
  EXPECT_EQ(object["time"], "2026-01-02T03:04:05.678Z");
  EXPECT_EQ(object["level"], "error");
  EXPECT_EQ(object["program"], "warren-worker");
  EXPECT_EQ(object["count"], 7);
  EXPECT_EQ(object["ok"], false);
  EXPECT_NE(object["field"].get<std::string>().find("end"), std::string::npos);
}

}  // namespace
}  // namespace warren::program
