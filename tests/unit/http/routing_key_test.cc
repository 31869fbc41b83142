// What --hash-on makes of requests.
#include "proxy/http/routing_key.h"

#include <gtest/gtest.h>

namespace warren::proxy {
namespace {

std::string Key(std::string_view hash_on, std::vector<wire::HeadField> fields = {}) {
  wire::RequestHead head;
  head.path = "/a/b?c=d";
  head.fields = std::move(fields);
  return MakeRoutingKey(ParseHashOn(hash_on).value(), head, "10.0.0.1", {0x0123456789abcdefu, 1});
}

TEST(MakeRoutingKey, TakesWhatItIsTold) {
  EXPECT_EQ(Key("random"), "0123456789abcde");
  EXPECT_EQ(Key("path"), "/a/b");
  EXPECT_EQ(Key("client-addr"), "10.0.0.1");
  EXPECT_EQ(Key("header:X-User", {{"x-user", "ann"}}), "ann");
  EXPECT_EQ(Key("cookie:sid", {{"Cookie", "a=b; sid=42; c=d"}}), "42");
  EXPECT_EQ(Key("cookie:sid", {{"Cookie", "a=b"}, {"cookie", "sid=43"}}), "43");
}

TEST(MakeRoutingKey, IsRandomWhereTheRequestHasNothing) {
  EXPECT_EQ(Key("header:X-User"), "0123456789abcde");
  EXPECT_EQ(Key("cookie:sid", {{"Cookie", "xsid=1; SID=2; sid"}}), "0123456789abcde");
}

TEST(MakeRoutingKey, FitsAShortString) {
  const std::string value(300, 'x');
  const std::string key = Key("header:A", {{"A", value}});
  EXPECT_LE(key.size(), 255u);
  EXPECT_TRUE(key.starts_with("long-"));
}

TEST(ParseHashOn, SaysWhatWouldBeRight) {
  for (const char* wrong : {"", "rand", "header:", "cookie", "header:a b", "query:x"}) {
    const auto parsed = ParseHashOn(wrong);
    ASSERT_FALSE(parsed) << wrong;
    EXPECT_EQ(parsed.error().code, ErrorCode::kConfiguration);
    EXPECT_NE(parsed.error().message.find("cookie:NAME"), std::string::npos);
  }
}

}  // namespace
}  // namespace warren::proxy
