// Drawn messages go out and come back the same; drawn bytes and tables never do harm.
#include <gtest/gtest.h>

#include <random>

#include "proxy/wire/message.h"
#include "tests/unit/wire/codec.h"

namespace warren::wire {
namespace {

using Random = std::mt19937;

int Below(Random& random, int limit) { return static_cast<int>(random() % static_cast<unsigned>(limit)); }

std::string DrawFrom(Random& random, std::string_view alphabet, int longest) {
  std::string text;
  for (int left = Below(random, longest + 1); left > 0; --left) text += alphabet[random() % alphabet.size()];
  return text;
}

// Any bytes that a field value may have, most of them not UTF-8.
std::string DrawValue(Random& random) {
  std::string value = DrawFrom(random, "abc \t\"\x01\x7f\x80\xc3\xe9\xff", 30);
  return value;
}

Fields DrawFields(Random& random) {
  Fields fields;
  for (int left = Below(random, 12); left > 0; --left) {
    fields.push_back({"n" + DrawFrom(random, "abc-", 2), DrawValue(random)});
  }
  return fields;
}

// As they come back: lines of one name together, where the first of them stood.
Fields Grouped(const Fields& fields) {
  Fields grouped;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (Find(grouped, fields[i].name) != nullptr) continue;
    for (std::size_t j = i; j < fields.size(); ++j) {
      if (EqualNames(fields[j].name, fields[i].name)) grouped.push_back(fields[j]);
    }
  }
  return grouped;
}

TEST(RoundTrip, BringsEveryRequestBackAsItWas) {
  Random random(1);
  RequestEncoder encoder;
  for (int round = 0; round < 2'000; ++round) {
    Request sent;
    sent.id = "i" + DrawFrom(random, "xyz", 9);
    sent.method = "M" + DrawFrom(random, "ABC!#", 5);
    sent.target = "/" + DrawFrom(random, "ab/?%\xe9\xff", 20);
    sent.authority = DrawFrom(random, "h.:[]", 9);
    sent.client_addr = DrawFrom(random, "1.:", 9);
    sent.proxy = DrawFrom(random, "p", 3);
    sent.retry_safe = Below(random, 2) == 1;
    sent.claim = Below(random, 2) == 1;
    sent.deadline_ms = Below(random, 1'000'000);
    sent.sent_ms = Below(random, 1'000'000);
    sent.fields = DrawFields(random);
    const Decoded decoded(Encoded(encoder.Encode(sent, "c", "r", 5)));
    ASSERT_NE(decoded.properties, nullptr);
    const Result<Request> got = DecodeRequest(*decoded.properties, "body");
    ASSERT_TRUE(got) << got.error().ToString();
    EXPECT_EQ(got->id, sent.id);
    EXPECT_EQ(got->method, sent.method);
    EXPECT_EQ(got->target, sent.target);
    EXPECT_EQ(got->authority, sent.authority);
    EXPECT_EQ(got->client_addr, sent.client_addr);
    EXPECT_EQ(got->proxy, sent.proxy);
    EXPECT_EQ(got->retry_safe, sent.retry_safe);
    EXPECT_EQ(got->claim, sent.claim);
    EXPECT_EQ(got->deadline_ms, sent.deadline_ms);
    EXPECT_EQ(got->sent_ms, sent.sent_ms > 0 ? sent.sent_ms : std::max<std::int64_t>(sent.deadline_ms - 5, 0));
    EXPECT_EQ(got->fields, Grouped(sent.fields));
  }
}

TEST(RoundTrip, BringsEveryResponseBackAsItWas) {
  Random random(2);
  ResponseEncoder encoder;
  for (int round = 0; round < 2'000; ++round) {
    Response sent;
    sent.status = kMinStatus + Below(random, kMaxStatus - kMinStatus + 1);
    sent.fields = DrawFields(random);
    sent.node = DrawFrom(random, "n@", 5);
    sent.shard = DrawFrom(random, "stream: -0", 20);
    sent.worker = DrawFrom(random, "w", 5);
    if (Below(random, 2) == 1) sent.queue_us = Below(random, 1000);
    if (Below(random, 2) == 1) sent.work_us = Below(random, 1000);
    const Decoded decoded(Encoded(encoder.Encode(sent, "c")));
    ASSERT_NE(decoded.properties, nullptr);
    const Result<Response> got = DecodeResponse(*decoded.properties, "");
    ASSERT_TRUE(got) << got.error().ToString();
    EXPECT_EQ(got->status, sent.status);
    EXPECT_EQ(got->fields, Grouped(sent.fields));
    EXPECT_EQ(got->node, sent.node);
    EXPECT_EQ(got->shard, sent.shard);
    EXPECT_EQ(got->worker, sent.worker);
    EXPECT_EQ(got->queue_us, sent.queue_us);
    EXPECT_EQ(got->work_us, sent.work_us);
  }
}

// Every byte of a sound message is overwritten in turn: what is still decoded holds to the rules.
TEST(Decoders, GiveOnlySoundMessagesFromDamagedBytes) {
  Random random(3);
  RequestEncoder encoder;
  Request sent;
  sent.method = "GET";
  sent.target = "/path";
  sent.fields = {{"a", "x"}, {"a", "y"}, {"bcd", "z"}};
  const std::string good = Encoded(encoder.Encode(sent, "c", "r", 5));
  int accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = good;
    for (int hits = 1 + Below(random, 3); hits > 0; --hits)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    const Decoded decoded(bytes);
    if (decoded.properties == nullptr) continue;
    const Result<Response> response = DecodeResponse(*decoded.properties, "");
    EXPECT_TRUE(!response || (response->status >= kMinStatus && response->status <= kMaxStatus));
    const Result<Request> request = DecodeRequest(*decoded.properties, "");
    if (!request) continue;
    ++accepted;
    EXPECT_TRUE(IsToken(request->method));
    EXPECT_TRUE(IsTarget(request->target));
    for (const Field& field : request->fields) {
      EXPECT_TRUE(IsToken(field.name));
      EXPECT_TRUE(IsFieldValue(field.value));
    }
  }
  EXPECT_GT(accepted, 100) << "the damage must leave something to look at";
}

}  // namespace
}  // namespace warren::wire
