// Who may use the REST API: tokens, hosts, origins; and the dashboard's own policy.
#include "coordinator/api/guard.h"

#include <regex>

#include "api_fixture.h"
#include "coordinator/api/dashboard.h"

namespace warren::coordinator {
namespace {

constexpr const char* kToken = "0123456789abcdef-._~+/==";

class Guard : public ApiTest {
 protected:
  int Status(const std::string& path, const std::string& authorization, const std::string& host = "127.0.0.1:1") {
    return Send({.method = "GET", .path = path, .query = {}, .host = host, .authorization = authorization}).status;
  }
  int StatusFor(const std::string& host, const std::string& origin) {
    return Send({.method = "GET", .path = "/api/v1/nodes", .query = {}, .host = host, .origin = origin}).status;
  }
};

TEST_F(Guard, AsksForTheTokenEverywhereButWhereProbesAndThePageAre) {
  token_ = kToken;
  const ApiResponse answer = Ask("GET", "/api/v1/nodes");
  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(answer.Field("WWW-Authenticate"), "Bearer realm=\"warren\"");
  EXPECT_EQ(answer.content_type, "application/problem+json");
  for (const char* path : {"/api/v1", "/api/v1/none", "/none", "", "/api/v1/streams/%2F/x"}) {
    EXPECT_EQ(Status(path, ""), 401) << path;
  }
  for (const char* method : {"PUT", "OPTIONS", "BREW"}) {
    const ApiResponse refused = Ask(method, "/api/v1/definitions/x");
    EXPECT_EQ(refused.status, 401) << method;
    EXPECT_TRUE(refused.Field("Allow").empty());
  }
  for (const char* path : {"/", "/healthz", "/readyz"}) EXPECT_EQ(Status(path, ""), 200) << path;
}

TEST_F(Guard, TakesTheTokenAndNoOther) {
  token_ = kToken;
  const std::string right = kToken;
  EXPECT_EQ(Status("/api/v1/nodes", "Bearer " + right), 200);
  EXPECT_EQ(Status("/api/v1/nodes", "bearer " + right), 200);
  for (const std::string& wrong :
       {right + "x", right.substr(1), right + ", Bearer " + right, " " + right, std::string("x")}) {
    const ApiResponse answer =
        Send({.method = "GET", .path = "/api/v1/nodes", .query = {}, .authorization = "Bearer " + wrong});
    EXPECT_EQ(answer.status, 401) << wrong;
    EXPECT_NE(answer.Field("WWW-Authenticate").find("invalid_token"), std::string::npos);
  }
  for (const char* other : {"Bearer", "Bearer ", "Basic Z3Vlc3Q6Z3Vlc3Q=", kToken}) {
    EXPECT_EQ(Status("/api/v1/nodes", other), 401) << other;
  }
}

TEST_F(Guard, LetsNoPageOfAnotherOriginIn) {
  for (const char* origin : {"http://evil.example", "null", "http://127.0.0.1", "https://127.0.0.1:2"}) {
    EXPECT_EQ(StatusFor("127.0.0.1:1", origin), 403) << origin;
  }
  EXPECT_EQ(StatusFor("127.0.0.1:1", "http://127.0.0.1:1"), 200);
  for (const char* host :
       {"evil.example", "localhost.evil.example:1", "127.0.0.1.evil.example", "127.evil:1", "[::1]x", "10.0.0.1"}) {
    EXPECT_EQ(StatusFor(host, ""), 403) << host;
  }
  for (const char* host : {"", "127.0.0.1", "127.8.9.1:1", "localhost:15680", "localhost", "[::1]", "[::1]:1"}) {
    EXPECT_EQ(StatusFor(host, ""), 200) << host;
  }
}

TEST_F(Guard, ServesAnyNameToThoseWithTheToken) {
  token_ = kToken;
  const std::string right = std::string("Bearer ") + kToken;
  EXPECT_EQ(Status("/api/v1/nodes", right, "warren.example:80"), 200);
  ApiRequest request{.method = "GET", .path = "/api/v1/nodes", .query = {}, .host = "warren.example"};
  request.authorization = right;
  request.origin = "https://warren.example";
  EXPECT_EQ(Send(request).status, 200);
  request.origin = "https://evil.example";
  EXPECT_EQ(Send(request).status, 403);
}

TEST_F(Guard, AllowsNothingToOtherOrigins) {
  for (const char* method : {"GET", "OPTIONS", "PUT"}) {
    for (const auto& [field, value] : Ask(method, "/api/v1/streams").fields)
      EXPECT_FALSE(field.starts_with("Access-")) << field;
  }
}

TEST(CheckToken, TakesWhatNobodyGuessesAndAHeaderCarries) {
  EXPECT_TRUE(CheckToken(kToken));
  EXPECT_FALSE(CheckToken(""));
  EXPECT_FALSE(CheckToken("0123456789abcde"));
  EXPECT_FALSE(CheckToken("0123456789abcdef ghi"));
  EXPECT_FALSE(CheckToken("0123456789abcdef\"ghi"));
}

TEST(Dashboard, IsOnePageThatTalksToItsOwnServerAlone) {
  const ApiResponse page = Dashboard();
  EXPECT_EQ(page.content_type, "text/html; charset=utf-8");
  const std::string policy = page.Field("Content-Security-Policy");
  const std::regex expected(
      "default-src 'none'; script-src 'sha256-[A-Za-z0-9+/]{43}='; style-src 'sha256-[A-Za-z0-9+/]{43}='; "
      "connect-src 'self'; .*frame-ancestors 'none'");
  EXPECT_TRUE(std::regex_match(policy, expected)) << policy;
  EXPECT_EQ(page.body.find("http"), std::string::npos);       // Nothing from elsewhere.
  EXPECT_EQ(page.body.find("innerHTML"), std::string::npos);  // Names of the cluster are text.
}

}  // namespace
}  // namespace warren::coordinator
