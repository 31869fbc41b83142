// Tokens are text and back, and the table finds what was put there through every mix of inserts and erases.
#include "proxy/http/token.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace warren::proxy {
namespace {

TEST(Token, SurvivesItsText) {
  TokenSource source;
  for (int i = 0; i < 1'000; ++i) {
    const Token token = source.Next();
    const auto text = token.Text();
    EXPECT_EQ(Token::Parse({text.data(), text.size()}), token);
  }
}

TEST(Token, IsNotReadFromAnythingElse) {
  EXPECT_FALSE(Token::Parse(""));
  EXPECT_FALSE(Token::Parse(std::string(31, 'a')));
  EXPECT_FALSE(Token::Parse(std::string(33, 'a')));
  EXPECT_FALSE(Token::Parse(std::string(32, 'A')));
  EXPECT_FALSE(Token::Parse(std::string(32, 'g')));
}

TEST(TokenTable, AgreesWithAMapWhateverIsInsertedAndErased) {
  std::mt19937_64 random(7);
  TokenTable table;
  std::map<std::uint64_t, std::uint32_t> model;
  for (std::uint32_t step = 0; step < 50'000; ++step) {
    // Low parts that collide often: many homes are shared.
    const std::uint64_t low = random() % 3'000;
    const Token token{1, low};
    if (model.count(low) == 0) {
      table.Insert(token, {step, 0});
      model[low] = step;
    } else {
      table.Erase(token);
      model.erase(low);
    }
  }
  EXPECT_EQ(table.size(), model.size());
  for (std::uint64_t low = 0; low < 3'000; ++low) {
    const auto* found = table.Find({1, low});
    const auto expected = model.find(low);
    ASSERT_EQ(found != nullptr, expected != model.end()) << low;
    if (found != nullptr) {
      EXPECT_EQ(found->slot, expected->second);
    }
  }
  EXPECT_EQ(table.Find({}), nullptr);
}

}  // namespace
}  // namespace warren::proxy
