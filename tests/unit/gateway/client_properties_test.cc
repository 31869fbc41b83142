// What clients say of themselves, well formed or not.
#include "proxy/gateway/client_properties.h"

#include <gtest/gtest.h>

#include "proxy/gateway/arguments.h"
#include "proxy/gateway/methods.h"

namespace warren::gateway {
namespace {

std::string Length(std::size_t size) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(size >> shift & 0xff);
  return bytes;
}

std::string Key(const std::string& key) { return static_cast<char>(key.size()) + key; }
std::string Text(const std::string& key, const std::string& value) {
  return Key(key) + "S" + Length(value.size()) + value;
}
std::string Bool(const std::string& key, bool value) { return Key(key) + "t" + (value ? '\x01' : '\0'); }
std::string Table(const std::string& key, const std::string& fields) {
  return Key(key) + "F" + Length(fields.size()) + fields;
}

std::string Arguments(const std::string& properties, const std::string& mechanism, const std::string& response) {
  return Length(properties.size()) + properties + Key(mechanism) + Length(response.size()) + response + Key("en_US");
}

const std::string kPlain("\0bob\0hunter2", 12);

TEST(ClientProperties, ShowTheUserAndNeverThePassword) {
  EXPECT_EQ(ReadStartOk(Arguments("", "PLAIN", kPlain)).user, "bob");
  EXPECT_EQ(ReadStartOk(Arguments("", "AMQPLAIN", Text("LOGIN", "eve") + Text("PASSWORD", "hunter2"))).user, "eve");
  EXPECT_EQ(ReadStartOk(Arguments("", "EXTERNAL", "")).user, "");
  EXPECT_EQ(ReadStartOk(Arguments("", "PLAIN", "hunter2")).user, "");
}

TEST(ClientProperties, AskForCancelNoticesWhereTheClientDoesNot) {
  const std::string before = Text("product", "p"), after = Text("version", "1");
  for (const std::string& capabilities :
       {std::string(), Table("capabilities", ""), Table("capabilities", Bool("basic.nack", true)),
        Table("capabilities", Bool("basic.nack", true) + Bool("consumer_cancel_notify", false))}) {
    const StartOk read = ReadStartOk(Arguments(before + capabilities + after, "PLAIN", kPlain));
    EXPECT_TRUE(read.well_formed);
    EXPECT_FALSE(read.wants_cancel_notice);
    ASSERT_FALSE(read.changed.empty());
    const StartOk again = ReadStartOk(read.changed);
    EXPECT_TRUE(again.wants_cancel_notice);
    EXPECT_EQ(again.user, "bob");
    EXPECT_EQ(read.changed.find("basic.nack") != std::string::npos,
              capabilities.find("basic.nack") != std::string::npos);
    EXPECT_NE(read.changed.find(before), std::string::npos);
    EXPECT_NE(read.changed.find(after), std::string::npos);
  }
}

TEST(ClientProperties, AreLeftAloneWhereTheyAskForItOrAreNotWellFormed) {
  const StartOk asks =
      ReadStartOk(Arguments(Table("capabilities", Bool("consumer_cancel_notify", true)), "PLAIN", kPlain));
  EXPECT_TRUE(asks.wants_cancel_notice);
  EXPECT_TRUE(asks.changed.empty());
  EXPECT_TRUE(ReadStartOk(Arguments("\x05nonsense", "PLAIN", kPlain)).changed.empty());
  EXPECT_TRUE(ReadStartOk(Arguments(Key("k") + "?", "PLAIN", kPlain)).changed.empty());
  const std::string whole = Arguments(Text("product", "p"), "PLAIN", kPlain);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const StartOk cut = ReadStartOk(std::string_view(whole).substr(0, size));
    EXPECT_FALSE(cut.well_formed);
    EXPECT_TRUE(cut.changed.empty());
  }
}

TEST(ClientProperties, NestedHoweverDeepCostNothing) {
  std::string nested;
  for (int depth = 0; depth < 16'000; ++depth) nested = Table("t", nested);
  EXPECT_FALSE(ReadStartOk(Arguments(nested, "PLAIN", kPlain)).changed.empty());
}

}  // namespace
}  // namespace warren::gateway
