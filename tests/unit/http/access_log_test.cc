// Access log lines: complete, and not to be forged.
#include "proxy/http/access_log.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

namespace warren::proxy {
namespace {

AccessEntry MakeEntry() {
  AccessEntry entry;
  entry.time_ms = 1'767'323'045'678;
  entry.client_addr = "127.0.0.1";
  entry.method = "GET";
  entry.target = "/a\"b";
  entry.request_id = "id1";
  entry.status = 200;
  entry.bytes_out = 5;
  entry.total_us = 1'234;
  entry.work_us = 700;
  entry.publishings = 1;
  return entry;
}

TEST(FormatAccessLine, TellsAllInText) {
  EXPECT_EQ(FormatAccessLine(MakeEntry(), false),
            "2026-01-02T03:04:05.678Z 127.0.0.1 \"GET /a\\\"b HTTP/1.1\" 200 in=0 out=5 total_ms=1.234 queue_ms=- "
            "work_ms=0.700 publishings=1 id=id1");
}

TEST(FormatAccessLine, IsJsonWhateverTheClientSent) {
  AccessEntry entry = MakeEntry();
  entry.target = "/\"\\\n\xff";
  const auto json = nlohmann::json::parse(FormatAccessLine(entry, true));
  EXPECT_EQ(json["status"], 200);
  EXPECT_TRUE(json["queue_ms"].is_null());
  EXPECT_EQ(json["target"], "/\"\\\n\xc3\xbf");
}

TEST(AccessLog, WritesEveryLineBeforeItEnds) {
  const std::string path = ::testing::TempDir() + "access-log-test";
  std::remove(path.c_str());
  {
    auto log = AccessLog::Open(path, false);
    ASSERT_TRUE(log);
    for (int i = 0; i < 1'000; ++i) (*log)->Write(MakeEntry());
  }
  std::ifstream file(path);
  int lines = 0;
  for (std::string line; std::getline(file, line);) ++lines;
  EXPECT_EQ(lines, 1'000);
  std::remove(path.c_str());
}

TEST(AccessLog, SaysWhyAFileCannotBeWritten) {
  const auto log = AccessLog::Open("/nowhere/at/all", false);
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, ErrorCode::kConfiguration);
  EXPECT_EQ(log.error().context, "/nowhere/at/all");
}

}  // namespace
}  // namespace warren::proxy
