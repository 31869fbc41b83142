// The head of a request as the application gets it.
#include "proxy/worker/request_head.h"

#include <gtest/gtest.h>

namespace warren::worker {
namespace {

std::string Head(const wire::Request& request) {
  std::string head = "what was there before";
  WriteRequestHead(request, "shop.example", head);
  return head;
}

TEST(WriteRequestHead, WritesHostAndFieldsAsTheyAre) {
  wire::Request request;
  request.method = "GET";
  request.target = "/a?b=\xc3\xa9";
  request.fields = {{"x-many", "1"}, {"x-raw", "\xff"}, {"x-many", "2"}};
  EXPECT_EQ(Head(request),
            "GET /a?b=\xc3\xa9 HTTP/1.1\r\nHost: shop.example\r\nx-many: 1\r\nx-raw: \xff\r\nx-many: 2\r\n\r\n");
}

TEST(WriteRequestHead, SaysTheLengthOfBodiesAndOfMethodsThatExpectOne) {
  wire::Request request;
  request.target = "/";
  request.fields = {{"content-length", "77"}, {"host", "other"}, {"expect", "100-continue"}};
  for (const auto& [method, body, has_length] :
       {std::tuple("GET", "", false), {"DELETE", "x", true}, {"POST", "", true}, {"PUT", "", true}}) {
    request.method = method;
    request.body = body;
    const std::string length = "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
    EXPECT_EQ(Head(request),
              std::string(method) + " / HTTP/1.1\r\nHost: shop.example\r\n" + (has_length ? length : "") + "\r\n");
  }
}

TEST(WriteRequestHead, LeavesOutWhatConcernsOneConnection) {
  wire::Request request;
  request.method = "GET";
  request.target = "/";
  request.fields = {{"connection", "x-drop, host"},   {"x-drop", "1"},    {"te", "trailers"},
                    {"transfer-encoding", "chunked"}, {"upgrade", "h2c"}, {"x-stay", "1"}};
  EXPECT_EQ(Head(request), "GET / HTTP/1.1\r\nHost: shop.example\r\nx-stay: 1\r\n\r\n");
}

TEST(WriteRequestHead, AddsWhatAProxyDidNotSayTwice) {
  wire::Request request;
  request.method = "GET";
  request.target = "/";
  request.id = "id-1";
  request.authority = "shop.example";
  request.client_addr = "192.0.2.7";
  request.traceparent = "00-trace";
  EXPECT_EQ(Head(request), "GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n") << "not a proxy's";
  request.proxy = "p";
  EXPECT_EQ(Head(request),
            "GET / HTTP/1.1\r\nHost: shop.example\r\nvia: 1.1 warren\r\nx-forwarded-for: 192.0.2.7\r\n"
            "x-forwarded-proto: http\r\nx-forwarded-host: shop.example\r\nx-request-id: id-1\r\n"
            "traceparent: 00-trace\r\n\r\n");
  request.fields = {{"Via", "1.0 warren"}, {"X-Forwarded-For", "10.0.0.1, 192.0.2.7"}};
  EXPECT_EQ(Head(request),
            "GET / HTTP/1.1\r\nHost: shop.example\r\nVia: 1.0 warren\r\nX-Forwarded-For: 10.0.0.1, 192.0.2.7\r\n"
            "x-forwarded-proto: http\r\nx-forwarded-host: shop.example\r\nx-request-id: id-1\r\n"
            "traceparent: 00-trace\r\n\r\n");
}

}  // namespace
}  // namespace warren::worker
