// Frames: splitting, building, and refusing what would hurt.
#include "shardmgr/broker/amqp/frame.h"

#include <gtest/gtest.h>

#include <random>

#include "shardmgr/broker/amqp/bytes.h"
#include "shardmgr/broker/amqp/table.h"
#include "shardmgr/broker/amqp/types.h"

namespace warren::amqp {
namespace {

constexpr std::uint32_t kFrameMax = 131'072;

std::string Ack(std::uint64_t tag) {
  std::string out;
  amqp_basic_ack_t ack{tag, false};
  EXPECT_TRUE(AppendMethod(out, 3, AMQP_BASIC_ACK_METHOD, &ack, kFrameMax));
  return out;
}

std::string HeaderPayload(const Table& headers) {
  amqp_basic_properties_t properties{};
  properties._flags = AMQP_BASIC_HEADERS_FLAG | AMQP_BASIC_CONTENT_TYPE_FLAG;
  properties.content_type = Bytes("text/plain");
  properties.headers = headers.view();
  std::string out;
  EXPECT_TRUE(AppendContent(out, 1, properties, "", kFrameMax));
  return out.substr(7, out.size() - kFrameOverheadBytes);
}

TEST(SplitFrame, WaitsUntilTheFrameIsWhole) {
  const std::string bytes = Ack(7);
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    const auto frame = SplitFrame(std::string_view(bytes).substr(0, length), kFrameMax);
    ASSERT_TRUE(frame) << frame.error().ToString();
    EXPECT_FALSE(*frame) << length;
  }
  const auto frame = SplitFrame(bytes + "more", kFrameMax);
  ASSERT_TRUE(frame && *frame);
  EXPECT_EQ((*frame)->type, FrameType::kMethod);
  EXPECT_EQ((*frame)->channel, 3);
  EXPECT_EQ(FrameBytes(**frame), bytes.size());
}

TEST(SplitFrame, RefusesUnknownTypesBadEndsAndOversize) {
  std::string unknown = Ack(1);
  unknown[0] = 9;
  EXPECT_EQ(SplitFrame(unknown, kFrameMax).error().code, ErrorCode::kProtocol);

  std::string bad_end = Ack(1);
  bad_end.back() = 0;
  EXPECT_EQ(SplitFrame(bad_end, kFrameMax).error().code, ErrorCode::kProtocol);

  const std::string oversize("\x01\0\0\xFF\xFF\xFF\xFF", 7);
  EXPECT_EQ(SplitFrame(oversize, kFrameMax).error().code, ErrorCode::kProtocol);
}

TEST(AppendMethod, RoundTripsThroughDecodeMethod) {
  const std::string bytes = Ack(0x0102030405060708);
  const auto frame = SplitFrame(bytes, kFrameMax);
  Pool pool;
  const auto method = DecodeMethod((*frame)->payload, pool);
  ASSERT_TRUE(method);
  EXPECT_EQ(method->id, AMQP_BASIC_ACK_METHOD);
  EXPECT_EQ(method->As<amqp_basic_ack_t>().delivery_tag, 0x0102030405060708u);
}

TEST(AppendMethod, GrowsForArgumentsLargerThanTheFirstGuess) {
  Table arguments;
  arguments.Set("x-long", std::string(60'000, 'a'));
  amqp_queue_declare_t declare{0, Bytes("q"), false, true, false, false, false, arguments.view()};
  std::string out = "before";
  ASSERT_TRUE(AppendMethod(out, 1, AMQP_QUEUE_DECLARE_METHOD, &declare, kFrameMax));
  const auto frame = SplitFrame(std::string_view(out).substr(6), kFrameMax);
  ASSERT_TRUE(frame && *frame);
  Pool pool;
  const auto method = DecodeMethod((*frame)->payload, pool);
  ASSERT_TRUE(method);
  const auto* value = Find(method->As<amqp_queue_declare_t>().arguments, "x-long");
  EXPECT_EQ(AsText(value).value_or("").size(), 60'000u);
}

TEST(AppendMethod, RefusesWhatDoesNotFitAFrameAndAppendsNothing) {
  Table arguments;
  arguments.Set("x-long", std::string(200'000, 'a'));
  amqp_queue_declare_t declare{0, Bytes("q"), false, true, false, false, false, arguments.view()};
  std::string out = "before";
  EXPECT_EQ(AppendMethod(out, 1, AMQP_QUEUE_DECLARE_METHOD, &declare, kFrameMax).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(out, "before");
}

TEST(AppendContent, CutsTheBodyIntoFramesOfTheAgreedSize) {
  const std::string body(10'000, 'b');
  std::string out;
  ASSERT_TRUE(AppendContent(out, 1, amqp_basic_properties_t{}, body, 4'096));
  std::string_view rest = out;
  std::string joined;
  int frames = 0;
  while (!rest.empty()) {
    const auto frame = SplitFrame(rest, 4'096);
    ASSERT_TRUE(frame && *frame);
    if ((*frame)->type == FrameType::kBody) joined.append((*frame)->payload);
    rest.remove_prefix(FrameBytes(**frame));
    ++frames;
  }
  EXPECT_EQ(joined, body);
  EXPECT_EQ(frames, 1 + 3);
}

TEST(AppendContent, RefusesShortStringsThatRabbitmqCWouldCut) {
  amqp_basic_properties_t properties{};
  const std::string long_id(256, 'i');
  properties._flags = AMQP_BASIC_MESSAGE_ID_FLAG;
  properties.message_id = Bytes(long_id);
  std::string out;
  EXPECT_EQ(AppendContent(out, 1, properties, "", kFrameMax).error().code, ErrorCode::kInvalid);

  Table inner, headers;
  inner.Set(std::string(256, 'k'), 1);
  headers.Set("inner", inner);
  properties._flags = AMQP_BASIC_HEADERS_FLAG;
  properties.headers = headers.view();
  EXPECT_EQ(AppendContent(out, 1, properties, "", kFrameMax).error().code, ErrorCode::kInvalid);
  EXPECT_TRUE(out.empty());
}

TEST(PropertiesAreSafe, AcceptsEveryKindOfValue) {
  const Table headers = Table::FromJson(
      {{"s", "text"}, {"i", -1}, {"d", 1.5}, {"b", true}, {"n", nullptr}, {"t", {{"a", {1, "two", {{"deep", {3}}}}}}}});
  EXPECT_TRUE(PropertiesAreSafe(HeaderPayload(headers)));
}

TEST(PropertiesAreSafe, RefusesTablesNestedDeeperThanTheLimit) {
  nlohmann::json nested = {{"leaf", 1}};
  for (int depth = 1; depth < 5; ++depth) nested = {{"k", nested}};
  const std::string payload = HeaderPayload(Table::FromJson(nested));
  EXPECT_TRUE(PropertiesAreSafe(payload, 5));
  EXPECT_FALSE(PropertiesAreSafe(payload, 4));
}

// The attack of a table 16,000 deep in about 112 KB, which the broker accepts and passes on.
TEST(PropertiesAreSafe, RefusesTheDeepestTableThatFitsAFrame) {
  std::string table;
  for (int depth = 0; depth < 16'000; ++depth) {
    const auto size = static_cast<std::uint32_t>(table.size());
    std::string outer = {'\1', 'k', 'F'};
    for (int shift = 24; shift >= 0; shift -= 8) outer.push_back(static_cast<char>(size >> shift));
    table.insert(0, outer);
  }
  std::string payload(kContentHeaderBytes, '\0');
  payload += {'\x20', '\0'};  // Only the headers flag.
  const auto size = static_cast<std::uint32_t>(table.size());
  for (int shift = 24; shift >= 0; shift -= 8) payload.push_back(static_cast<char>(size >> shift));
  EXPECT_FALSE(PropertiesAreSafe(payload + table));
}

TEST(PropertiesAreSafe, NeverReadsPastTheEndAndAgreesWithTheDecoder) {
  const std::string good = HeaderPayload(Table::FromJson({{"a", "x"}, {"t", {{"u", {1, 2, 3}}}}, {"z", 1.0}}));
  std::mt19937 random(1);
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = good.substr(0, random() % (good.size() + 1));
    for (int flips = 0; flips < 3 && !bytes.empty(); ++flips)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    if (!PropertiesAreSafe(bytes)) continue;
    Pool pool;
    (void)DecodeContentHeader(bytes, pool);  // Whatever it says: no crash, no read past the end (sanitizers).
  }
}

TEST(ParseEndpoint, UnderstandsEveryForm) {
  EXPECT_EQ(*ParseEndpoint("rabbit1"), (Endpoint{"rabbit1", 5672, false}));
  EXPECT_EQ(*ParseEndpoint("127.0.0.1:5673"), (Endpoint{"127.0.0.1", 5673, false}));
  EXPECT_EQ(*ParseEndpoint("[::1]:5673"), (Endpoint{"::1", 5673, false}));
  EXPECT_EQ(*ParseEndpoint("amqp://host:1/"), (Endpoint{"host", 1, false}));
  EXPECT_EQ(*ParseEndpoint("amqps://host"), (Endpoint{"host", 5671, true}));
  EXPECT_EQ(ParseEndpoint("amqps://[::1]:5")->ToString(), "amqps://[::1]:5");
}

TEST(ParseEndpoint, SaysWhatIsWrong) {
  for (const char* bad : {"", ":5672", "host:", "host:0", "host:65536", "host:12x", "http://host", "[::1", "[::1]x",
                          "amqp://user:secret@host", "host/vhost"}) {
    const auto endpoint = ParseEndpoint(bad);
    ASSERT_FALSE(endpoint) << bad;
    EXPECT_EQ(endpoint.error().code, ErrorCode::kConfiguration);
    EXPECT_NE(endpoint.error().message.find("HOST:PORT"), std::string::npos);
  }
}

TEST(ParseEndpoint, DoesNotRepeatAPassword) {
  for (const char* bad : {"amqp://user:secret@host", "http://user:secret@host:1", "user:secret@host"}) {
    EXPECT_EQ(ParseEndpoint(bad).error().ToString().find("secret"), std::string::npos) << bad;
  }
}

TEST(AsInteger, ReadsIntegersAndDigitsAndNothingElse) {
  const Table table = Table::FromJson({{"n", 200}, {"s", "404"}, {"bad", "4x4"}, {"empty", ""}, {"d", 1.5}});
  const amqp_table_t view = table.view();
  EXPECT_EQ(AsInteger(Find(view, "n")), 200);
  EXPECT_EQ(AsInteger(Find(view, "s")), 404);
  EXPECT_EQ(AsInteger(Find(view, "bad")), std::nullopt);
  EXPECT_EQ(AsInteger(Find(view, "empty")), std::nullopt);
  EXPECT_EQ(AsInteger(Find(view, "d")), std::nullopt);
  EXPECT_EQ(AsInteger(Find(view, "missing")), std::nullopt);
}

}  // namespace
}  // namespace warren::amqp
