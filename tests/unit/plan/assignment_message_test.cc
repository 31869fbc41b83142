// Hello and assignment as JSON, and what is refused.
#include <gtest/gtest.h>

#include "shardmgr/model/assignment.h"

namespace warren {
namespace {

TEST(Hello, ComesBackAsItWasWritten) {
  const Hello hello{"shard.web",
                    "4711-ab",
                    "gateway",
                    {"stream: shard.web - a@h - 0", "stream: shard.web - b@h - 1"},
                    1'700'000'000'000};
  EXPECT_EQ(ReadHello(Encode(hello)).value(), hello);
}

TEST(Assignment, ComesBackAsItWasWritten) {
  Assignment assignment{"shard.web", "4711-ab", "a@h", {1'700'000'000'000, 12}, {"q0", "q1"}, {"q0"}};
  EXPECT_EQ(ReadAssignment(Encode(assignment)).value(), assignment);
  assignment.node.clear();
  EXPECT_EQ(ReadAssignment(Encode(assignment)).value(), assignment);
}

TEST(Hello, NeedsNoMoreThanExchangeAndInstance) {
  const Hello hello = ReadHello(R"({"exchange":"e","instance":"i","from a later version":[{}]})").value();
  EXPECT_EQ(hello, (Hello{"e", "i", "worker", {}, 0}));
}

TEST(Assignment, CountsByTermFirst) {
  EXPECT_LT((AssignmentNumber{1, 9}), (AssignmentNumber{2, 0}));
  EXPECT_LT((AssignmentNumber{2, 0}), (AssignmentNumber{2, 1}));
}

TEST(Hello, SaysWhatIsWrong) {
  const auto fault = [](std::string_view body) { return ReadHello(body).error().message; };
  EXPECT_NE(fault("[]").find("is no JSON object"), std::string::npos);
  EXPECT_NE(fault("{").find("line 1"), std::string::npos);
  EXPECT_NE(fault(R"({"instance":"i"})").find("\"exchange\""), std::string::npos);
  EXPECT_NE(fault(R"({"exchange":"e","instance":7})").find("\"instance\""), std::string::npos);
  EXPECT_NE(fault(R"({"exchange":"e","instance":""})").find("1 to 255 bytes"), std::string::npos);
  EXPECT_NE(fault(R"({"exchange":"e","instance":"i","holds":"q"})").find("array"), std::string::npos);
  EXPECT_NE(fault(R"({"exchange":"e","instance":"i","holds":["q",5]})").find("no name of a queue"), std::string::npos);
  EXPECT_NE(fault(R"({"exchange":"e","instance":"i","term":"now"})").find("\"term\""), std::string::npos);
  EXPECT_NE(fault(R"({"exchange":"e","instance":"i","term":-1})").find("\"term\""), std::string::npos);
  EXPECT_NE(fault(R"({"exchange":"e","instance":")" + std::string(256, 'i') + "\"}").find("\"instance\""),
            std::string::npos);
  EXPECT_NE(fault(std::string(kMaxControlBytes + 1, ' ')).find("bytes"), std::string::npos);
}

TEST(Assignment, SaysWhatIsWrong) {
  const auto fault = [](std::string_view members) {
    return ReadAssignment(R"({"exchange":"e","instance":"i")" + std::string(members) + "}").error().message;
  };
  EXPECT_NE(fault(R"(,"sequence":1)").find("\"term\""), std::string::npos);
  EXPECT_NE(fault(R"(,"term":-1,"sequence":1)").find("\"term\""), std::string::npos);
  EXPECT_NE(fault(R"(,"term":9223372036854775808,"sequence":1)").find("\"term\""), std::string::npos);
  EXPECT_NE(fault(R"(,"term":1,"sequence":1.5)").find("\"sequence\""), std::string::npos);
  EXPECT_NE(fault(R"(,"term":1,"sequence":1,"node":3)").find("\"node\""), std::string::npos);
  EXPECT_NE(fault(R"(,"term":1,"sequence":1,"shards":{})").find("\"shards\""), std::string::npos);
}

TEST(ControlMessages, SurviveTextThatIsNotUtf8) {
  const Hello hello{"shard.\xff", "i", "worker", {}, 0};
  EXPECT_TRUE(ReadHello(Encode(hello)).has_value());
}

}  // namespace
}  // namespace warren
