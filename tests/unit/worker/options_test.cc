// ParseUpstream: which addresses of an application warren-worker takes, and what it says to others.
#include "proxy/worker/options.h"

#include <gtest/gtest.h>

namespace warren::worker {
namespace {

struct Read {
  const char* url;
  const char* host;
  const char* port;
  const char* authority;
};

TEST(ParseUpstream, ReadsHostAndPort) {
  for (const Read& each :
       {Read{"http://app", "app", "80", "app"}, Read{"http://127.0.0.1:3000/", "127.0.0.1", "3000", "127.0.0.1:3000"},
        Read{"http://[::1]:3000", "::1", "3000", "[::1]:3000"}, Read{"http://[::1]", "::1", "80", "[::1]"},
        Read{"http://app:65535", "app", "65535", "app:65535"}}) {
    const Result<UpstreamAddress> address = ParseUpstream(each.url);
    ASSERT_TRUE(address) << each.url << ": " << address.error().ToString();
    EXPECT_EQ(address->host, each.host) << each.url;
    EXPECT_EQ(address->port, each.port) << each.url;
    EXPECT_EQ(address->authority, each.authority) << each.url;
  }
}

TEST(ParseUpstream, RefusesWhatItCannotReachAndNamesIt) {
  for (const char* url : {"",
                          "app:3000",
                          "https://app",
                          "HTTP//app",
                          "http://",
                          "http:///",
                          "http://:80",
                          "http://app:",
                          "http://app:0",
                          "http://app:65536",
                          "http://app:-1",
                          "http://app:8a",
                          "http://app:999999999999",
                          "http://app/path",
                          "http://app?x",
                          "http://app#x",
                          "http://user@app",
                          "http://a b",
                          "http://a\r\nb",
                          "http://[]:1"}) {
    const Result<UpstreamAddress> address = ParseUpstream(url);
    ASSERT_FALSE(address) << url;
    EXPECT_EQ(address.error().code, ErrorCode::kConfiguration) << url;
    EXPECT_NE(address.error().ToString().find(url), std::string::npos) << address.error().ToString();
  }
}

}  // namespace
}  // namespace warren::worker
