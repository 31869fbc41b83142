// What the proxy changes on messages, and what it must not change.
#include "proxy/http/forward.h"

#include <gtest/gtest.h>

namespace warren::proxy {
namespace {

constexpr Token kId{0x1111, 0x2222}, kTrace{0x3333, 0x4444};

wire::Request Make(const std::string& text, bool trust = false) {
  wire::RequestHead head;
  const auto parsed = wire::ParseHead(text, {}, head);
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().reason);
  return MakeRequest(head, {"10.0.0.1", "proxy-1", trust}, kId, kTrace);
}

std::string Value(const wire::Request& request, std::string_view name) {
  const std::string* value = wire::Find(request.fields, name);
  return value == nullptr ? "(none)" : *value;
}

TEST(MakeRequest, StripsWhatConcernsTheConnection) {
  const auto request = Make(
      "POST / HTTP/1.1\r\nHost: a\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n"
      "Upgrade: h2c\r\nTransfer-Encoding: chunked\r\nTrailer: T\r\nProxy-Connection: x\r\nExpect: 100-continue\r\n"
      "X-End: 2\r\n\r\n");
  for (const char* name : {"connection", "x-hop", "keep-alive", "te", "upgrade", "transfer-encoding", "trailer",
                           "proxy-connection", "expect", "host", "content-length"}) {
    EXPECT_EQ(Value(request, name), "(none)") << name;
  }
  EXPECT_EQ(Value(request, "x-end"), "2");
}

TEST(MakeRequest, TellsTheBackEndWhereTheRequestCameFrom) {
  const auto request = Make("GET /a?b HTTP/1.1\r\nHost: example.org\r\nVia: 1.0 other\r\n\r\n");
  EXPECT_EQ(request.client_addr, "10.0.0.1");
  EXPECT_EQ(request.scheme, "http");
  EXPECT_EQ(Value(request, "via"), "1.0 other, 1.1 warren");
  EXPECT_EQ(request.target, "/a?b");
  EXPECT_EQ(request.authority, "example.org");
  EXPECT_EQ(request.proxy, "proxy-1");
}

TEST(MakeRequest, SaysNothingInAFieldThatTheMessageSaysElsewhere) {
  EXPECT_TRUE(Make("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: abc\r\n\r\n").fields.empty());
  EXPECT_EQ(Value(Make("GET / HTTP/1.0\r\n\r\n"), "via"), "1.0 warren");
}

TEST(MakeRequest, BelievesForwardedFieldsOnlyWhenTold) {
  const std::string text =
      "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\n"
      "Forwarded: for=1.2.3.4\r\n\r\n";
  const auto distrusted = Make(text), trusted = Make(text, true);
  EXPECT_EQ(Value(distrusted, "x-forwarded-for"), "(none)");
  EXPECT_EQ(Value(distrusted, "x-forwarded-proto"), "(none)");
  EXPECT_EQ(Value(distrusted, "forwarded"), "(none)");
  EXPECT_EQ(Value(trusted, "x-forwarded-for"), "1.2.3.4, 10.0.0.1");
  EXPECT_EQ(Value(trusted, "x-forwarded-proto"), "https");
  EXPECT_EQ(Value(trusted, "forwarded"), "for=1.2.3.4");
}

TEST(MakeRequest, DropsNamesThatAGatewayInterfaceWouldTakeForItsOwn) {
  const auto request = Make(
      "GET / HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 1.2.3.4\r\nX-Forwarded_Proto: https\r\n"
      "Transfer_Encoding: chunked\r\ncontent_length: 5\r\nmy_own: 1\r\n\r\n");
  for (const char* name : {"x_forwarded_for", "x-forwarded_proto", "transfer_encoding", "content_length"}) {
    EXPECT_EQ(Value(request, name), "(none)") << name;
  }
  EXPECT_EQ(Value(request, "my_own"), "1");
}

TEST(MakeRequest, GivesAnEmptyPathItsSlash) {
  EXPECT_EQ(Make("GET http://b?x HTTP/1.1\r\nHost: a\r\n\r\n").target, "/?x");
}

TEST(MakeRequest, CountsMaxForwardsDown) {
  EXPECT_EQ(Value(Make("TRACE / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 3\r\n\r\n"), "max-forwards"), "2");
  EXPECT_EQ(Value(Make("GET / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 3\r\n\r\n"), "max-forwards"), "3");
}

TEST(MakeRequest, PassesOnIdsOrMakesThem) {
  const std::string trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const auto given = Make("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: abc\r\ntraceparent: " + trace + "\r\n\r\n");
  EXPECT_EQ(given.id, "abc");
  EXPECT_EQ(given.traceparent, trace);
  const auto made = Make("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: a b\r\ntraceparent: 00-zz\r\n\r\n");
  EXPECT_EQ(made.id, "00000000000011110000000000002222");
  EXPECT_TRUE(IsTraceparent(made.traceparent)) << made.traceparent;
  EXPECT_EQ(Value(made, "x-request-id"), "(none)");
  EXPECT_EQ(Value(made, "traceparent"), "(none)");
}

TEST(MakeRequest, KnowsWhatMayBeSentTwice) {
  EXPECT_TRUE(Make("PUT / HTTP/1.1\r\nHost: a\r\n\r\n").retry_safe);
  EXPECT_FALSE(Make("POST / HTTP/1.1\r\nHost: a\r\n\r\n").retry_safe);
  EXPECT_TRUE(Make("POST / HTTP/1.1\r\nHost: a\r\nIdempotency-Key: 1\r\n\r\n").retry_safe);
  EXPECT_FALSE(
      Make("POST / HTTP/1.1\r\nHost: a\r\nConnection: Idempotency-Key\r\nIdempotency-Key: 1\r\n\r\n").retry_safe);
}

std::string Write(const wire::Response& response, ResponseContext context = {}) {
  context.date = "Sun, 06 Nov 1994 08:49:37 GMT";
  std::string out;
  if (WriteHead(response, context, out)) out += response.body;
  return out;
}

TEST(WriteHead, CopiesFieldValuesByteForByte) {
  wire::Response response;
  response.fields = {{"set-cookie", "a=1"}, {"set-cookie", "b=2"}, {"x", "caf\xe9 \xff"}, {"date", "then"}};
  response.body = "hello";
  EXPECT_EQ(
      Write(response),
      "HTTP/1.1 200 OK\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nx: caf\xe9 \xff\r\ndate: then\r\nVia: 1.1 warren\r\n"
      "Content-Length: 5\r\n\r\nhello");
}

TEST(WriteHead, DropsTheWorkersFramingAndHopByHopFields) {
  wire::Response response;
  response.fields = {
      {"transfer-encoding", "chunked"}, {"content-length", "99"}, {"connection", "x-hop"}, {"x-hop", "1"}};
  response.body = "abc";
  EXPECT_EQ(
      Write(response),
      "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nVia: 1.1 warren\r\nContent-Length: 3\r\n\r\nabc");
}

TEST(WriteHead, SendsNoBodyWhereThereIsNone) {
  wire::Response response;
  response.body = "abc";
  response.fields = {{"content-length", "1234"}};
  ResponseContext head;
  head.head_request = true;
  EXPECT_NE(Write(response, head).find("Content-Length: 1234\r\n\r\n"), std::string::npos);
  EXPECT_FALSE(Write(response, head).ends_with("abc"));
  response.status = 304;
  EXPECT_TRUE(Write(response).ends_with("Content-Length: 1234\r\n\r\n"));
  response.status = 205;
  EXPECT_TRUE(Write(response).ends_with("Content-Length: 0\r\n\r\n"));
  response.status = 204;
  EXPECT_EQ(Write(response).find("Content-Length"), std::string::npos);
  EXPECT_TRUE(Write(response).ends_with("\r\n\r\n"));
  response.status = 304;
  response.fields = {{"content-length", "12\t34"}};
  EXPECT_EQ(Write(response).find("Content-Length"), std::string::npos);
}

TEST(WriteHead, SaysWhetherTheConnectionStays) {
  ResponseContext context;
  context.keep_alive = false;
  EXPECT_NE(Write({}, context).find("Connection: close\r\n"), std::string::npos);
  context.keep_alive = true;
  EXPECT_EQ(Write({}, context).find("Connection:"), std::string::npos);
  context.minor_version = 0;
  EXPECT_NE(Write({}, context).find("Connection: keep-alive\r\n"), std::string::npos);
}

TEST(WriteHead, ShowsTheOriginOnlyWhenTold) {
  wire::Response response;
  response.node = "rabbit1@a", response.shard = "stream: x - rabbit1@a - 0", response.worker = "w1";
  EXPECT_EQ(Write(response).find("Warren-"), std::string::npos);
  ResponseContext context;
  context.expose_origin = true;
  EXPECT_NE(Write(response, context).find("Warren-Shard: stream: x - rabbit1@a - 0\r\nWarren-Worker: w1\r\n"),
            std::string::npos);
}

TEST(WriteFailure, TellsStatusReasonAndWhenToComeBack) {
  ResponseContext context;
  context.date = "D";
  std::string out;
  WriteFailure(503, "no shard", true, context, out);
  EXPECT_EQ(out,
            "HTTP/1.1 503 Service Unavailable\r\nDate: D\r\nContent-Type: text/plain; charset=utf-8\r\n"
            "Content-Length: 9\r\nRetry-After: 1\r\n\r\nno shard\n");
}

TEST(HttpDate, IsAnImfFixdate) { EXPECT_EQ(HttpDate(784'111'777), "Sun, 06 Nov 1994 08:49:37 GMT"); }

TEST(IsTraceparent, TakesOnlyWellFormedOnes) {
  EXPECT_TRUE(IsTraceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
  for (const char* wrong : {"", "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}) {
    EXPECT_FALSE(IsTraceparent(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace warren::proxy
