// Access log lines: complete, and not to be forged.
#include "proxy/http/access_log.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <thread>

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
  entry.node = "rabbit@a";
  entry.shard = "stream: web - rabbit@a - 0";
  return entry;
}

TEST(FormatAccessLine, TellsAllInText) {
  EXPECT_EQ(FormatAccessLine(MakeEntry(), false),
            "2026-01-02T03:04:05.678Z 127.0.0.1 \"GET /a\\\"b HTTP/1.1\" 200 in=0 out=5 total_ms=1.234 queue_ms=- "
            "work_ms=0.700 publishings=1 node=\"rabbit@a\" shard=\"stream: web - rabbit@a - 0\" reason=- id=id1");
}

TEST(FormatAccessLine, TellsWhyTheProxyAnsweredItself) {
  AccessEntry entry = MakeEntry();
  entry.node = entry.shard = {};
  entry.status = 504;
  entry.reason = "no answer in time";
  const std::string line = FormatAccessLine(entry, false);
  EXPECT_NE(line.find("node=- shard=- reason=\"no answer in time\" id=id1"), line.npos) << line;
  const auto json = nlohmann::json::parse(FormatAccessLine(entry, true));
  EXPECT_EQ(json["reason"], "no answer in time");
  EXPECT_TRUE(json["node"].is_null());
}

TEST(FormatAccessLine, KeepsItsFormWhateverComesFromOutside) {
  const std::string evil = "a\r\n\"} \x1b[31m\x7f\xff status=200";
  AccessEntry entry = MakeEntry();
  entry.method = entry.target = entry.request_id = entry.node = entry.shard = entry.reason = evil;
  const std::string text = FormatAccessLine(entry, false);
  for (unsigned char c : text) EXPECT_TRUE(c >= ' ' && c < 0x7f) << int{c};
  EXPECT_EQ(text.find("\" status=200\""), text.npos) << "no quote of theirs ends a field: " << text;
  const auto json = nlohmann::json::parse(FormatAccessLine(entry, true));
  EXPECT_EQ(json.size(), 16u);
  EXPECT_EQ(json["shard"], "a\r\n\"} \x1b[31m\x7f\xc3\xbf status=200");
}

TEST(FormatAccessLine, ShowsThatAHeadWasNotUnderstood) {
  AccessEntry entry = MakeEntry();
  entry.method = entry.target = entry.request_id = {};
  entry.status = 400;
  EXPECT_NE(FormatAccessLine(entry, false).find(" \"- - HTTP/1.1\" 400 "), std::string::npos);
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

TEST(AccessLog, GoesOnInANewFileWhenToldTo) {
  const std::string path = ::testing::TempDir() + "access-log-rotated", moved = path + ".1";
  std::remove(path.c_str());
  std::remove(moved.c_str());
  const auto lines = [](const std::string& file_name) {
    std::ifstream file(file_name);
    return std::count(std::istreambuf_iterator<char>(file), {}, '\n');
  };
  {
    auto log = AccessLog::Open(path, false);
    ASSERT_TRUE(log);
    (*log)->Write(MakeEntry());
    for (int i = 0; i < 1'000 && lines(path) == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    ASSERT_EQ(std::rename(path.c_str(), moved.c_str()), 0);
    (*log)->Reopen();
    (*log)->Write(MakeEntry());
    (*log)->Write(MakeEntry());
  }
  EXPECT_EQ(lines(moved), 1);
  EXPECT_EQ(lines(path), 2);
  std::remove(path.c_str());
  std::remove(moved.c_str());
}

TEST(AccessLog, SaysWhyAFileCannotBeWritten) {
  const auto log = AccessLog::Open("/nowhere/at/all", false);
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, ErrorCode::kConfiguration);
  EXPECT_EQ(log.error().context, "/nowhere/at/all");
}

}  // namespace
}  // namespace warren::proxy
