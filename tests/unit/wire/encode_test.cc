// Encoded bytes of requests and responses: golden against rabbitmq-c, and the size that counts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "proxy/wire/message.h"
#include "shardmgr/broker/amqp/bytes.h"
#include "shardmgr/broker/amqp/table.h"
#include "tests/unit/wire/codec.h"

namespace warren::wire {
namespace {

using amqp::View;

Request SomeRequest() {
  Request request;
  request.id = "req-1";
  request.method = "GET";
  request.target = "/a";
  request.authority = "example.org";
  request.client_addr = "192.0.2.1:5";
  request.proxy = "p1";
  request.traceparent = "00-aa-bb-01";
  request.retry_safe = true;
  request.deadline_ms = 1'700'000'000'000;
  request.sent_ms = 1'699'999'999'000;
  request.fields = {{"Accept", "a"}, {"Set-Cookie", "1"}, {"accept", "b"}, {"SET-COOKIE", "2"}};
  return request;
}

TEST(RequestEncoder, SetsEveryPropertyOfTheWire) {
  RequestEncoder encoder;
  Request request = SomeRequest();
  request.fields.push_back({"Content-Type", "text/plain"});
  const amqp_basic_properties_t& p = encoder.Encode(request, "token", "reply-queue", 1500);
  EXPECT_EQ(View(p.message_id), "req-1");
  EXPECT_EQ(View(p.correlation_id), "token");
  EXPECT_EQ(View(p.reply_to), "reply-queue");
  EXPECT_EQ(View(p.expiration), "1500");
  EXPECT_EQ(View(p.type), "http.request");
  EXPECT_EQ(View(p.content_type), "text/plain");
  EXPECT_EQ(View(p.app_id), "warren");
  EXPECT_EQ(p.delivery_mode, 1);
}

TEST(RequestEncoder, KeepsValuesOfOneNameTogetherAndInOrder) {
  RequestEncoder encoder;
  const Request request = SomeRequest();
  const amqp_basic_properties_t& p = encoder.Encode(request, "t", "r", 1);
  const amqp_field_value_t* http = amqp::Find(p.headers, "http");
  ASSERT_NE(http, nullptr);
  ASSERT_EQ(http->value.table.num_entries, 2);
  const amqp_table_entry_t& cookies = http->value.table.entries[1];
  EXPECT_EQ(View(cookies.key), "set-cookie");
  ASSERT_EQ(cookies.value.kind, AMQP_FIELD_KIND_ARRAY);
  ASSERT_EQ(cookies.value.value.array.num_entries, 2);
  EXPECT_EQ(cookies.value.value.array.entries[0].kind, AMQP_FIELD_KIND_UTF8);
  EXPECT_EQ(View(cookies.value.value.array.entries[0].value.bytes), "1");
  EXPECT_EQ(View(cookies.value.value.array.entries[1].value.bytes), "2");
}

TEST(ResponseEncoder, GivesTheseVeryBytes) {
  ResponseEncoder encoder;
  Response response;
  response.status = 404;
  response.fields = {{"A", "x"}, {"a", "y"}};
  const std::string golden = std::string("\x34\x28", 2) +  // headers, delivery_mode, correlation_id, type, app_id
                             std::string("\x00\x00\x00\x2e", 4) + "\x07:status" + "l" +
                             std::string("\0\0\0\0\0\0\x01\x94", 8) + "\x04http" + "F" +
                             std::string("\x00\x00\x00\x13", 4) +
                             std::string(
                                 "\x01"
                                 "aA") +
                             std::string("\x00\x00\x00\x0c", 4) + "S" + std::string("\0\0\0\x01", 4) + "x" + "S" +
                             std::string("\0\0\0\x01", 4) + "y" + "\x01" +
                             "\x01"
                             "c" +
                             "\x0dhttp.response" + "\x06warren";
  EXPECT_EQ(Encoded(encoder.Encode(response, "c")), golden);
}

TEST(RequestEncoder, SendsAnExpirationOfAtLeastOneMillisecond) {
  RequestEncoder encoder;
  const Request request = SomeRequest();
  for (std::int64_t left : {std::int64_t{0}, std::int64_t{-7}, std::numeric_limits<std::int64_t>::min()}) {
    EXPECT_EQ(View(encoder.Encode(request, "t", "r", left).expiration), "1");
  }
}

TEST(RequestEncoder, LeavesOutShortStringsThatAmqpOrAPeerCouldNotCarry) {
  RequestEncoder encoder;
  Request request = SomeRequest();
  request.id = std::string(256, 'x');
  request.fields = {{"content-type", "caf\xe9"}};
  const amqp_basic_properties_t& p = encoder.Encode(request, "t", "r", 1);
  EXPECT_EQ(p._flags & (AMQP_BASIC_MESSAGE_ID_FLAG | AMQP_BASIC_CONTENT_TYPE_FLAG), 0u);
}

TEST(RequestEncoder, CountsExactlyTheBytesThatTheContentHeaderTakes) {
  RequestEncoder encoder;
  Request request = SomeRequest();
  for (int i = 0; i < 3; ++i) {
    const std::string encoded = Encoded(encoder.Encode(request, "token", "reply", 30'000));
    EXPECT_EQ(encoder.encoded_bytes(), encoded.size() + 12);  // Class, weight and body size stand before it.
    request.fields.push_back({"X-" + std::string(200, 'n'), std::string(1000, 'v')});
  }
}

TEST(RequestEncoder, DoesNotFitWhenTheFrameWouldHaveLessThanItsReserve) {
  RequestEncoder encoder;
  Request request = SomeRequest();
  request.fields = {{"x", ""}};
  encoder.Encode(request, "t", "r", 1);
  const std::size_t room = MaxHeaderBytes(131'072) - encoder.encoded_bytes();
  request.fields = {{"x", std::string(room, 'v')}};
  encoder.Encode(request, "t", "r", 1);
  EXPECT_TRUE(encoder.Fits(131'072));
  request.fields[0].value += 'v';
  encoder.Encode(request, "t", "r", 1);
  EXPECT_FALSE(encoder.Fits(131'072));
  EXPECT_FALSE(encoder.Fits(100));
}

TEST(RequestEncoder, DoesNotFitWithAFieldNameThatATableKeyCannotHold) {
  RequestEncoder encoder;
  Request request = SomeRequest();
  request.fields = {{std::string(255, 'n'), "v"}};
  encoder.Encode(request, "t", "r", 1);
  EXPECT_TRUE(encoder.Fits(131'072));
  request.fields[0].name += 'n';
  encoder.Encode(request, "t", "r", 1);
  EXPECT_FALSE(encoder.Fits(131'072));
  request.fields.clear();
  encoder.Encode(request, "t", "r", 1);
  EXPECT_TRUE(encoder.Fits(131'072)) << "one message's fault must not stick to the next";
}

}  // namespace
}  // namespace warren::wire
