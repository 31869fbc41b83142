// Decoders against what workers and proxies of other makes, and strangers, may send.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proxy/wire/message.h"
#include "shardmgr/broker/amqp/bytes.h"
#include "shardmgr/broker/amqp/table.h"

namespace warren::wire {
namespace {

using amqp::Table;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Properties whose headers are `table`.
struct Message {
  explicit Message(Table table) : headers(std::move(table)) {
    properties._flags = AMQP_BASIC_HEADERS_FLAG;
    properties.headers = headers.view();
  }
  Table headers;
  amqp_basic_properties_t properties{};
};

amqp_field_value_t Text(std::string_view text, std::uint8_t kind = AMQP_FIELD_KIND_UTF8) {
  amqp_field_value_t value{};
  value.kind = kind;
  value.value.bytes = amqp::Bytes(text);
  return value;
}

// The response in a message with one header of any kind.
Result<Response> ResponseWith(std::string_view key, amqp_field_value_t value) {
  amqp_table_entry_t entry{amqp::Bytes(key), value};
  amqp_basic_properties_t properties{};
  properties._flags = AMQP_BASIC_HEADERS_FLAG;
  properties.headers = {1, &entry};
  return DecodeResponse(properties, "");
}

Result<Response> ResponseWithField(std::string_view name, amqp_field_value_t value) {
  amqp_table_entry_t field{amqp::Bytes(name), value};
  amqp_field_value_t http{};
  http.kind = AMQP_FIELD_KIND_TABLE;
  http.value.table = {1, &field};
  return ResponseWith("http", http);
}

TEST(DecodeResponse, TakesABareMessageAs200) {
  const Result<Response> response = DecodeResponse(amqp_basic_properties_t{}, "hello");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(response->body, "hello");
  EXPECT_TRUE(response->fields.empty());
}

TEST(DecodeResponse, TakesContentTypeFromThePropertyWhereNoFieldSaysIt) {
  amqp_basic_properties_t properties{};
  properties._flags = AMQP_BASIC_CONTENT_TYPE_FLAG;
  properties.content_type = amqp::Bytes("text/html");
  EXPECT_THAT(DecodeResponse(properties, "")->fields, ElementsAre(Field{"content-type", "text/html"}));
}

TEST(DecodeResponse, TakesAnyIntegerKindAndDigitsAsStatus) {
  amqp_field_value_t value{};
  value.kind = AMQP_FIELD_KIND_U8;
  value.value.u8 = 204;
  EXPECT_EQ(ResponseWith(":status", value)->status, 204);
  value.kind = AMQP_FIELD_KIND_I16;
  value.value.i16 = 404;
  EXPECT_EQ(ResponseWith(":status", value)->status, 404);
  value.kind = AMQP_FIELD_KIND_U64;
  value.value.u64 = 599;
  EXPECT_EQ(ResponseWith(":status", value)->status, 599);
  EXPECT_EQ(ResponseWith(":status", Text("503"))->status, 503);
  EXPECT_EQ(ResponseWith(":status", Text("201", AMQP_FIELD_KIND_BYTES))->status, 201);
}

TEST(DecodeResponse, RefusesAStatusThatNoFinalResponseHas) {
  for (int status : {-1, 0, 99, 100, 101, 199, 600, 1000, 65536 + 200}) {
    EXPECT_FALSE(DecodeResponse(Message(Table().Set(":status", status)).properties, "")) << status;
  }
  for (const char* status : {"", "200 ", "0x", "two", "99999999999999999999"}) {
    EXPECT_FALSE(ResponseWith(":status", Text(status))) << status;
  }
  EXPECT_FALSE(DecodeResponse(Message(Table().Set(":status", 200.0)).properties, ""));
  EXPECT_FALSE(DecodeResponse(Message(Table().Set(":status", true)).properties, ""));
}

TEST(DecodeResponse, TakesScalarsWhereArraysAreMeant) {
  EXPECT_THAT(ResponseWithField("X-A", Text("b"))->fields, ElementsAre(Field{"x-a", "b"}));
  EXPECT_THAT(ResponseWithField("x-raw", Text("caf\xe9", AMQP_FIELD_KIND_BYTES))->fields,
              ElementsAre(Field{"x-raw", "caf\xe9"}));
  amqp_field_value_t number{};
  number.kind = AMQP_FIELD_KIND_I32;
  number.value.i32 = 12;
  EXPECT_THAT(ResponseWithField("age", number)->fields, ElementsAre(Field{"age", "12"}));
}

TEST(DecodeResponse, RefusesWhatWouldSplitAnHttpMessage) {
  for (std::string_view value :
       {std::string_view("a\rb"), std::string_view("a\nSet-Cookie: x"), std::string_view("a\0b", 3)}) {
    const Result<Response> response = ResponseWithField("x-a", Text(value));
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().code, ErrorCode::kProtocol);
    EXPECT_THAT(response.error().ToString(), HasSubstr("x-a"));
  }
  for (std::string_view name : {"", "a b", "a\r\nb", ":status", "a:"}) {
    EXPECT_FALSE(ResponseWithField(name, Text("v"))) << name;
  }
}

TEST(DecodeResponse, RefusesValuesThatAreNoText) {
  amqp_field_value_t value{};
  value.kind = AMQP_FIELD_KIND_VOID;
  EXPECT_FALSE(ResponseWithField("x", value));
  value.kind = AMQP_FIELD_KIND_F64;
  EXPECT_FALSE(ResponseWithField("x", value));
  amqp_field_value_t inner = Text("v");
  amqp_field_value_t array{};
  array.kind = AMQP_FIELD_KIND_ARRAY;
  array.value.array = {1, &inner};
  amqp_field_value_t nested = array;
  nested.value.array = {1, &array};
  EXPECT_TRUE(ResponseWithField("x", array));
  EXPECT_FALSE(ResponseWithField("x", nested)) << "arrays in arrays mean nothing";
}

TEST(DecodeResponse, RefusesMoreFieldLinesThanTheLimit) {
  std::vector<std::string> values(kMaxFields, "v");
  EXPECT_TRUE(DecodeResponse(Message(Table().Set("http", Table().Set("x", values))).properties, ""));
  values.push_back("v");
  EXPECT_FALSE(DecodeResponse(Message(Table().Set("http", Table().Set("x", values))).properties, ""));
}

TEST(DecodeResponse, RefusesStreamedPieces) {
  const Result<Response> piece = DecodeResponse(Message(Table().Set(":seq", 0)).properties, "");
  ASSERT_FALSE(piece);
  EXPECT_EQ(piece.error().code, ErrorCode::kUnsupported);
}

TEST(DecodeResponse, IgnoresHintsThatAreNoUse) {
  const Message message(Table().Set(":node", 5).Set(":work-us", -3).Set(":shard", "a\nb").Set(":worker", "w"));
  const Result<Response> response = DecodeResponse(message.properties, "");
  ASSERT_TRUE(response);
  EXPECT_EQ(response->node, "");
  EXPECT_EQ(response->shard, "");
  EXPECT_EQ(response->worker, "w");
  EXPECT_FALSE(response->work_us);
}

TEST(DecodeRequest, NeedsNoMoreThanMethodAndPath) {
  const Message message(Table().Set(":method", "POST").Set(":path", "/x"));
  const Result<Request> request = DecodeRequest(message.properties, "b");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->scheme, "http");
  EXPECT_EQ(request->deadline_ms, 0);
  EXPECT_FALSE(request->retry_safe);
  EXPECT_EQ(request->body, "b");
}

TEST(DecodeRequest, WorksOutRetrySafetyThatNobodyStated) {
  EXPECT_TRUE(DecodeRequest(Message(Table().Set(":method", "PUT").Set(":path", "/")).properties, "")->retry_safe);
  const Message stated(Table().Set(":method", "PUT").Set(":path", "/").Set(":retry-safe", false));
  EXPECT_FALSE(DecodeRequest(stated.properties, "")->retry_safe);
}

TEST(DecodeRequest, SaysWhichHeaderIsMissingOrWrong) {
  const auto error = [](Table table) {
    const Result<Request> request = DecodeRequest(Message(std::move(table)).properties, "");
    return request ? "accepted" : request.error().ToString();
  };
  EXPECT_THAT(error(Table()), HasSubstr(":method"));
  EXPECT_THAT(error(Table().Set(":method", "GET")), HasSubstr(":path"));
  EXPECT_THAT(error(Table().Set(":method", "GE T").Set(":path", "/")), HasSubstr(":method"));
  EXPECT_THAT(error(Table().Set(":method", 5).Set(":path", "/")), HasSubstr(":method"));
  EXPECT_THAT(error(Table().Set(":method", "GET").Set(":path", "/ HTTP/1.1\r\nx: y")), HasSubstr(":path"));
  EXPECT_THAT(error(Table().Set(":method", "GET").Set(":path", "/").Set(":authority", "a b")), HasSubstr(":authority"));
  EXPECT_THAT(error(Table().Set(":method", "GET").Set(":path", "/").Set("http", "x")), HasSubstr("http"));
}

TEST(DecodeRequest, RefusesAMessageOfAnotherType) {
  Message message(Table().Set(":method", "GET").Set(":path", "/"));
  message.properties._flags |= AMQP_BASIC_TYPE_FLAG;
  message.properties.type = amqp::Bytes("http.body");
  EXPECT_EQ(DecodeRequest(message.properties, "").error().code, ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace warren::wire
