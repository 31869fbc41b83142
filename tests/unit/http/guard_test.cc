// Every form of request head that is refused, with the section that forbids it, and those that are not.
#include <gtest/gtest.h>

#include "proxy/wire/http1_guard.h"

namespace warren::wire {
namespace {

/// Runs both steps as a session does. The refusal's status, or 0 and the head.
struct Read {
  int status = 0;
  std::string reason;
  RequestHead head;
  std::string bytes;
};

Read ReadHead(std::string text, HeadLimits limits = {}) {
  Read read;
  read.bytes = std::move(text);
  std::size_t scanned = 0;
  auto end = FindHeadEnd(read.bytes, limits, scanned);
  if (!end) return {end.error().status, std::string(end.error().reason), {}, {}};
  if (*end == 0) return {-1, "incomplete", {}, {}};
  auto parsed = ParseHead(std::string_view(read.bytes).substr(0, *end), limits, read.head);
  if (!parsed) return {parsed.error().status, std::string(parsed.error().reason), {}, {}};
  return read;
}

std::string Get(std::string_view fields) { return "GET / HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n"; }

struct Case {
  const char* name;
  std::string text;
  int status;
};

class RefusedHead : public ::testing::TestWithParam<Case> {};

TEST_P(RefusedHead, HasItsStatus) {
  const Read read = ReadHead(GetParam().text);
  EXPECT_EQ(read.status, GetParam().status) << read.reason;
  EXPECT_FALSE(read.reason.empty());
}

INSTANTIATE_TEST_SUITE_P(
    Rfc9112, RefusedHead,
    ::testing::Values(
        // RFC 9112 2.2: lines end in CRLF; a bare CR is no line end and no white space.
        Case{"BareLfAfterRequestLine", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400},
        Case{"BareLfAfterField", "GET / HTTP/1.1\r\nHost: a\n\r\n", 400},
        Case{"BareLfAsEmptyLine", "GET / HTTP/1.1\r\nHost: a\r\n\n", 400},
        Case{"BareCrInValue", Get("X: a\rb\r\n"), 400}, Case{"BareCrInRequestLine", "GET /\r HTTP/1.1\r\n\r\n", 400},
        Case{"CrCrLf", Get("X: a\r\r\n"), 400},
        // RFC 9112 2.3: the version.
        Case{"LowerCaseVersion", "GET / http/1.1\r\nHost: a\r\n\r\n", 400},
        Case{"NoVersion", "GET /\r\nHost: a\r\n\r\n", 400}, Case{"Http2", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
        Case{"Http2Preface", "PRI * HTTP/2.0\r\n\r\n", 505}, Case{"Http09", "GET / HTTP/0.9\r\n\r\n", 505},
        Case{"VersionWithTwoDigits", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400},
        Case{"VersionWithoutDot", "GET / HTTP/11\r\nHost: a\r\n\r\n", 400},
        // RFC 9112 3: request line with single spaces.
        Case{"TwoSpaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        Case{"SpaceInTarget", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        Case{"TabBetween", "GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", 400},
        Case{"SpaceAtEnd", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
        Case{"SpaceAtStart", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        // RFC 9112 3.1, RFC 9110 5.6.2: the method is a token.
        Case{"MethodWithBracket", "G[T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        Case{"MethodNotAscii", "G\xc3\x89T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        Case{"EndlessMethod", std::string(65, 'A') + " / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        // RFC 9112 3.2: the target.
        Case{"TargetWithoutSlash", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        Case{"TargetWithFragment", "GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        Case{"TargetNotAscii", "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        Case{"TargetWithControl", "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        Case{"AsteriskForGet", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        Case{"UnknownScheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        Case{"AbsoluteWithoutHost", "GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        Case{"AbsoluteWithUser", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        Case{"ConnectWithoutPortIsStillAnAuthority", "CONNECT /a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        // RFC 9112 3.2: one Host field in HTTP/1.1.
        Case{"NoHost", "GET / HTTP/1.1\r\n\r\n", 400}, Case{"TwoHosts", Get("Host: a\r\n"), 400},
        Case{"TwoHostsIn10", "GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n", 400},
        Case{"HostWithSpace", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
        Case{"HostWithSlash", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
        Case{"HostWithUser", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
        Case{"HostWithBadPort", "GET / HTTP/1.1\r\nHost: a:80a\r\n\r\n", 400},
        Case{"HostWithTwoPorts", "GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n", 400},
        Case{"HostWithOpenBracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400}));

INSTANTIATE_TEST_SUITE_P(
    Rfc9112Fields, RefusedHead,
    ::testing::Values(
        // RFC 9112 5.1: no white space before the colon. 5.2: no folding.
        Case{"SpaceBeforeColon", Get("X : a\r\n"), 400}, Case{"TabBeforeColon", Get("X\t: a\r\n"), 400},
        Case{"SpaceBeforeColonOfLength", Get("Content-Length : 5\r\n"), 400},
        Case{"FoldWithSpace", Get("X: a\r\n b\r\n"), 400}, Case{"FoldWithTab", Get("X: a\r\n\tb\r\n"), 400},
        Case{"FoldOnFirstField", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
        // RFC 9110 5.1, 5.5: names are tokens, values have no control bytes.
        Case{"NoColon", Get("X\r\n"), 400}, Case{"NoName", Get(": a\r\n"), 400},
        Case{"NameWithBracket", Get("X[1]: a\r\n"), 400}, Case{"NameNotAscii", Get("X\xe9: a\r\n"), 400},
        Case{"NulInValue", Get(std::string("X: a\0b\r\n", 9)), 400},
        Case{"NulInName", Get(std::string("X\0: a\r\n", 8)), 400}, Case{"ControlInValue", Get("X: a\x01\r\n"), 400},
        Case{"DeleteInValue", Get("X: a\x7f\r\n"), 400},
        // RFC 9112 6.1, 6.3: Transfer-Encoding.
        Case{"LengthAndChunked", Get("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400},
        Case{"ChunkedAndLength", Get("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), 400},
        Case{"ChunkedIn10", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        Case{"NotEndingInChunked", Get("Transfer-Encoding: chunked, gzip\r\n"), 400},
        Case{"Identity", Get("Transfer-Encoding: identity\r\n"), 400},
        Case{"ChunkedTwice", Get("Transfer-Encoding: chunked, chunked\r\n"), 400},
        Case{"TwoTransferEncodings", Get("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400},
        Case{"EmptyTransferEncoding", Get("Transfer-Encoding:\r\n"), 400},
        Case{"ChunkedWithParameter", Get("Transfer-Encoding: chunked;a=b\r\n"), 400},
        Case{"QuotedChunked", Get("Transfer-Encoding: \"chunked\"\r\n"), 400},
        Case{"XChunked", Get("Transfer-Encoding: xchunked\r\n"), 400},
        Case{"TrailingComma", Get("Transfer-Encoding: chunked,\r\n"), 400},
        Case{"GzipThenChunked", Get("Transfer-Encoding: gzip, chunked\r\n"), 501},
        // RFC 9112 6.3, RFC 9110 8.6: Content-Length.
        Case{"TwoLengths", Get("Content-Length: 5\r\nContent-Length: 6\r\n"), 400},
        Case{"SameLengthTwice", Get("Content-Length: 5\r\nContent-Length: 5\r\n"), 400},
        Case{"ListOfLengths", Get("Content-Length: 5, 5\r\n"), 400},
        Case{"SignedLength", Get("Content-Length: +5\r\n"), 400},
        Case{"NegativeLength", Get("Content-Length: -5\r\n"), 400},
        Case{"HexLength", Get("Content-Length: 0x5\r\n"), 400}, Case{"EmptyLength", Get("Content-Length:\r\n"), 400},
        Case{"LengthWithSpace", Get("Content-Length: 5 5\r\n"), 400},
        Case{"LengthThatOverflows", Get("Content-Length: 18446744073709551621\r\n"), 400},
        // RFC 9110 10.1.1.
        Case{"UnknownExpectation", Get("Expect: miracles\r\n"), 417},
        Case{"LongName", Get(std::string(256, 'x') + ": a\r\n"), 431}));

TEST(ParseHead, ReadsAnOrdinaryRequest) {
  const Read read =
      ReadHead("POST /a?b=c HTTP/1.1\r\nHost: example.org:8080\r\nContent-Length: 12\r\nX-A:\t v w \r\n\r\n");
  ASSERT_EQ(read.status, 0) << read.reason;
  EXPECT_EQ(read.head.method, "POST");
  EXPECT_EQ(read.head.path, "/a?b=c");
  EXPECT_EQ(read.head.authority, "example.org:8080");
  EXPECT_EQ(read.head.framing, Framing::kLength);
  EXPECT_EQ(read.head.content_length, 12u);
  EXPECT_TRUE(read.head.keep_alive);
  EXPECT_EQ(read.head.fields[2].value, "v w");
}

TEST(ParseHead, LetsTheAbsoluteTargetWinOverHost) {
  const Read read = ReadHead("GET http://b:81/x HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_EQ(read.status, 0) << read.reason;
  EXPECT_EQ(read.head.authority, "b:81");
  EXPECT_EQ(read.head.path, "/x");
  const Read options = ReadHead("OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(options.head.path, "*");
  const Read get = ReadHead("GET HTTPS://b HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(get.head.path, "/");
  EXPECT_EQ(get.head.scheme, "https");
}

TEST(ParseHead, TakesAnAbsoluteTargetWhosePathIsEmpty) {
  const Read read = ReadHead("GET http://b?x=/y HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_EQ(read.status, 0) << read.reason;
  EXPECT_EQ(read.head.authority, "b");
  EXPECT_EQ(read.head.path, "?x=/y");
}

TEST(ParseHead, ReadsHigherMinorVersionsAsTheHighestItKnows) {
  EXPECT_EQ(ReadHead("GET / HTTP/1.2\r\nHost: a\r\n\r\n").head.minor_version, 1);
  EXPECT_EQ(ReadHead("GET / HTTP/1.9\r\n\r\n").status, 400);  // Host, as in 1.1.
}

TEST(ParseHead, ReadsMaxForwardsOfOptionsAndTraceAlone) {
  EXPECT_EQ(ReadHead("OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n").head.max_forwards, 0u);
  EXPECT_EQ(ReadHead("TRACE / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 12\r\n\r\n").head.max_forwards, 12u);
  EXPECT_EQ(ReadHead("TRACE / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 99999999999999999999999\r\n\r\n").head.max_forwards,
            999'999'999u);
  EXPECT_FALSE(ReadHead("TRACE / HTTP/1.1\r\nHost: a\r\nMax-Forwards: x\r\n\r\n").head.max_forwards);
  EXPECT_FALSE(ReadHead(Get("Max-Forwards: 0\r\n")).head.max_forwards);
}

TEST(ParseHead, KeepsBytesAboveAsciiInValues) {
  const Read read = ReadHead(Get("X: caf\xe9 \xff\r\n"));
  ASSERT_EQ(read.status, 0) << read.reason;
  EXPECT_EQ(read.head.fields[1].value, "caf\xe9 \xff");
}

TEST(ParseHead, FollowsConnectionPerVersion) {
  EXPECT_TRUE(ReadHead(Get("")).head.keep_alive);
  EXPECT_FALSE(ReadHead(Get("Connection: foo, Close\r\n")).head.keep_alive);
  EXPECT_FALSE(ReadHead("GET / HTTP/1.0\r\n\r\n").head.keep_alive);
  EXPECT_TRUE(ReadHead("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").head.keep_alive);
  EXPECT_FALSE(ReadHead(Get("Connection: keep-alive\r\nConnection: close\r\n")).head.keep_alive);
}

TEST(ParseHead, TakesChunkedInAnyCaseAndExpectOnlyIn11) {
  EXPECT_EQ(ReadHead(Get("Transfer-Encoding: Chunked\r\n")).head.framing, Framing::kChunked);
  EXPECT_TRUE(ReadHead(Get("Expect: 100-Continue\r\n")).head.expect_continue);
  EXPECT_FALSE(ReadHead("POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").head.expect_continue);
}

TEST(ParseHead, TakesIpv6AndEmptyHosts) {
  EXPECT_EQ(ReadHead("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n").head.authority, "[::1]:80");
  EXPECT_EQ(ReadHead("GET / HTTP/1.1\r\nHost:\r\n\r\n").status, 0);
}

TEST(ParseHead, ForgetsTheHeadBefore) {
  RequestHead head;
  const std::string first = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\n";
  const std::string second = "GET / HTTP/1.1\r\nHost: b\r\n\r\n";
  ASSERT_TRUE(ParseHead(first, {}, head));
  ASSERT_TRUE(ParseHead(second, {}, head));
  EXPECT_EQ(head.framing, Framing::kNone);
  EXPECT_EQ(head.content_length, 0u);
  EXPECT_FALSE(head.expect_continue);
  EXPECT_EQ(head.fields.size(), 1u);
}

TEST(FindHeadEnd, FindsTheSameEndHoweverTheBytesArrive) {
  const std::string text = Get("X: y\r\n") + "GET /next";
  for (std::size_t step = 1; step < text.size(); ++step) {
    std::size_t scanned = 0, end = 0;
    for (std::size_t size = step; end == 0 && size <= text.size() + step; size += step) {
      end = FindHeadEnd(std::string_view(text).substr(0, size), {}, scanned).value();
    }
    EXPECT_EQ(end, text.size() - 9) << step;
  }
}

TEST(FindHeadEnd, RefusesABareLfBeforeTheHeadIsComplete) {
  std::size_t scanned = 0;
  EXPECT_EQ(FindHeadEnd("GET / HTTP/1.1\n", {}, scanned).error().status, 400);
}

TEST(FindHeadEnd, TellsAnOverlongTargetFromOverlongFields) {
  EXPECT_EQ(ReadHead("GET /" + std::string(20'000, 'a')).status, 414);
  EXPECT_EQ(ReadHead("GET /" + std::string(9'000, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n").status, 414);
  EXPECT_EQ(ReadHead(Get("X: " + std::string(20'000, 'a'))).status, 431);
  EXPECT_EQ(ReadHead(Get("X: " + std::string(16'000, 'a') + "\r\n")).status, 0);
}

TEST(FindHeadEnd, BoundsTheNumberOfFields) {
  std::string fields;
  for (int i = 0; i < 127; ++i) fields += "A: b\r\n";
  EXPECT_EQ(ReadHead(Get(fields)).status, 0);
  EXPECT_EQ(ReadHead(Get(fields + "A: b\r\n")).status, 431);
}

}  // namespace
}  // namespace warren::wire
