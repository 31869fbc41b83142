// What is a token, a value, a target; idempotency; hop-by-hop fields.
#include "proxy/wire/fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace warren::wire {
namespace {

using ::testing::ElementsAre;

TEST(IsToken, TakesTheCharactersOfRfc9110AndNoOthers) {
  EXPECT_TRUE(IsToken("X-Request-Id"));
  EXPECT_TRUE(IsToken("!#$%&'*+-.^_`|~09azAZ"));
  for (const char* wrong : {"", "a b", "a:b", "a\r", "caf\xc3\xa9", "a,b", "(a)", "a\x7f"}) {
    EXPECT_FALSE(IsToken(wrong)) << wrong;
  }
}

TEST(IsFieldValue, RefusesOnlyWhatWouldEndTheLine) {
  EXPECT_TRUE(IsFieldValue(""));
  EXPECT_TRUE(IsFieldValue("caf\xe9 \t x"));
  EXPECT_FALSE(IsFieldValue("a\rb"));
  EXPECT_FALSE(IsFieldValue("a\nb"));
  EXPECT_FALSE(IsFieldValue(std::string_view("a\0b", 3)));
}

TEST(IsTarget, RefusesSpacesControlBytesAndNothing) {
  EXPECT_TRUE(IsTarget("/a?b=%20"));
  EXPECT_TRUE(IsTarget("*"));
  EXPECT_TRUE(IsTarget("/caf\xe9"));
  for (const char* wrong : {"", "/a b", "/a\r\nx: y", "/\x7f", "/\t"}) EXPECT_FALSE(IsTarget(wrong)) << wrong;
}

TEST(IsRetrySafe, FollowsTheMethodWithCase) {
  for (const char* method : {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"}) {
    EXPECT_TRUE(IsRetrySafe(method, {})) << method;
  }
  for (const char* method : {"POST", "PATCH", "get", "", "CONNECT", "PROPFIND"}) {
    EXPECT_FALSE(IsRetrySafe(method, {})) << method;
  }
}

TEST(IsRetrySafe, TakesAnIdempotencyKeyThatIsNotEmpty) {
  EXPECT_TRUE(IsRetrySafe("POST", {{"Idempotency-KEY", "k1"}}));
  EXPECT_FALSE(IsRetrySafe("POST", {{"Idempotency-Key", ""}}));
}

TEST(StripHopByHop, RemovesWhatConcernsOneConnection) {
  Fields fields = {{"Accept", "a"},           {"Connection", "close, X-Once"},
                   {"connection", "x-twice"}, {"X-ONCE", "1"},
                   {"x-Twice", "2"},          {"Keep-Alive", "5"},
                   {"TE", "trailers"},        {"Upgrade", "h2c"},
                   {"Trailer", "x-t"},        {"Transfer-Encoding", "chunked"},
                   {"Proxy-Connection", "x"}, {"X-Kept", "k"}};
  StripHopByHop(fields);
  EXPECT_THAT(fields, ElementsAre(Field{"Accept", "a"}, Field{"X-Kept", "k"}));
}

TEST(StripHopByHop, KeepsWhatBelongsToTheMessageThoughConnectionNamesIt) {
  Fields fields = {{"Host", "h"},
                   {"Content-Length", "5"},
                   {"Content-Type", "t"},
                   {"Connection", "host,content-length , CONTENT-TYPE"}};
  StripHopByHop(fields);
  EXPECT_EQ(fields.size(), 3u);
}

TEST(ListHas, FindsAMemberInAnyOfTheFields) {
  const Fields fields = {{"Connection", "a , Close"}, {"connection", ",,b"}};
  EXPECT_TRUE(ListHas(fields, "connection", "close"));
  EXPECT_TRUE(ListHas(fields, "CONNECTION", "b"));
  EXPECT_FALSE(ListHas(fields, "connection", "clos"));
}

}  // namespace
}  // namespace warren::wire
