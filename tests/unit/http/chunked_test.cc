// The chunked coding: what is taken, what is refused (RFC 9112 section 7.1), and that pieces do not matter.
#include <gtest/gtest.h>

#include "proxy/wire/http1_chunked.h"

namespace warren::wire {
namespace {

struct Fed {
  int status = 0;  ///< 0: no refusal.
  bool done = false;
  std::size_t taken = 0;
  std::string body;
};

Fed Feed(std::string_view input, std::size_t step = 1, std::uint64_t max_body_bytes = 1'000) {
  ChunkReader reader(max_body_bytes);
  Fed fed;
  for (std::size_t at = 0; at < input.size() && !reader.done(); at += step) {
    auto took = reader.Feed(input.substr(at, step), fed.body);
    if (!took) return {took.error().status, false, 0, {}};
    fed.taken += *took;
  }
  fed.done = reader.done();
  return fed;
}

TEST(ChunkReader, JoinsChunksAndStopsBehindTheLast) {
  const std::string input = "5\r\nhello\r\n1;a=\"b\"\r\n \r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nGET /next";
  for (std::size_t step = 1; step <= input.size(); ++step) {
    const Fed fed = Feed(input, step);
    EXPECT_TRUE(fed.done) << step;
    EXPECT_EQ(fed.body, "hello 0123456789") << step;
    EXPECT_EQ(fed.taken, input.size() - 9) << step;
  }
}

TEST(ChunkReader, WantsMoreUntilTheLastEmptyLine) {
  EXPECT_FALSE(Feed("0\r\n").done);
  EXPECT_FALSE(Feed("0\r\n\r").done);
  EXPECT_TRUE(Feed("0\r\n\r\n").done);
}

TEST(ChunkReader, TakesSpaceBeforeAnExtension) {
  EXPECT_EQ(Feed("5 \t;a=b\r\nhello\r\n0 ; c\r\n\r\n").body, "hello");
  EXPECT_EQ(Feed("5" + std::string(2'000, ' ')).status, 400);
}

TEST(ChunkReader, RefusesAmbiguousFraming) {
  for (const char* input : {"5\nhello",
                            "5\r\nhello\n0",
                            "5\r\nhelloX",
                            " 5\r\n",
                            "5 \r\n",
                            "5 x;a\r\n",
                            "5 \n",
                            "0x5\r\n",
                            "+5\r\n",
                            "-1\r\n",
                            "\r\n",
                            ";a\r\n",
                            "g\r\n",
                            "5\rX",
                            "5;a\nb",
                            "5;\x01\r\n",
                            "0\r\n\n",
                            "0\r\nnocolon\r\n\r\n",
                            "0\r\n: x\r\n\r\n",
                            "0\r\nA B: x\r\n\r\n",
                            "0\r\nA: \x01\r\n\r\n",
                            "0\r\nA\rB"}) {
    EXPECT_EQ(Feed(input).status, 400) << input;
  }
}

TEST(ChunkReader, RefusesSizesThatOverflow) {
  EXPECT_EQ(Feed("ffffffffffffffff\r\n").status, 400);
  EXPECT_EQ(Feed("10000000000000005\r\n").status, 400);
  EXPECT_EQ(Feed("fffffffffffffff\r\n").status, 413);
  EXPECT_EQ(Feed("0000000000000000000005\r\n").status, 400);
}

TEST(ChunkReader, RefusesABodyAboveTheLimitWhenItsSizeIsAnnounced) {
  EXPECT_EQ(Feed("5\r\nhello\r\n6\r\n", 1, 10).status, 413);
  EXPECT_EQ(Feed("5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n", 1, 10).body, "helloworld");
}

TEST(ChunkReader, BoundsExtensionsAndTrailers) {
  EXPECT_EQ(Feed("5;" + std::string(2'000, 'a')).status, 400);
  std::string trailers = "0\r\n";
  for (int i = 0; i < 2'000; ++i) trailers += "A: bcdef\r\n";
  EXPECT_EQ(Feed(trailers).status, 431);
}

}  // namespace
}  // namespace warren::wire
