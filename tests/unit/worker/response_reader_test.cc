// Responses of applications as bytes, whole and in pieces. What a real socket adds is in
// tests/integration/test_worker_upstream.py.
#include "proxy/worker/response_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace warren::worker {
namespace {

constexpr std::uint64_t kMaxBody = 100;

ResponseReader Read(std::string_view bytes, bool to_head = false) {
  ResponseReader reader;
  reader.Begin(to_head, kMaxBody);
  reader.Feed(bytes);
  return reader;
}

TEST(ResponseReader, ReadsTheSameWhateverPiecesItCameIn) {
  const std::string text =
      "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
      "HTTP/1.1 200 OK\r\nX-A:  1 \r\nTransfer-Encoding: chunked\r\nx-a: 2\r\n\r\n"
      "3\r\nabc\r\n1;x=y\r\nd\r\n0\r\nT: 1\r\n\r\n";
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    ResponseReader reader;
    reader.Begin(false, kMaxBody);
    for (std::size_t at = 0; at < text.size(); at += piece) {
      const std::string_view part = std::string_view(text).substr(at, piece);
      ASSERT_EQ(reader.Feed(part), part.size()) << piece;
    }
    ASSERT_TRUE(reader.done()) << piece << ": " << reader.problem();
    EXPECT_TRUE(reader.keeps_alive());
    const wire::Response response = reader.Take();
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "abcd");
    EXPECT_EQ(response.fields, (wire::Fields{{"X-A", "1"}, {"x-a", "2"}}));
  }
}

TEST(ResponseReader, LeavesWhatFollowsTheResponse) {
  ResponseReader reader;
  reader.Begin(false, kMaxBody);
  const std::string first = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
  EXPECT_EQ(reader.Feed(first + "HTTP/1.1 200"), first.size());
  EXPECT_TRUE(reader.done());
}

TEST(ResponseReader, ReadsOneResponseAfterTheOther) {
  ResponseReader reader;
  for (const char* body : {"one", "two"}) {
    reader.Begin(false, kMaxBody);
    EXPECT_FALSE(reader.got_some());
    reader.Feed(std::string("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n") + body);
    ASSERT_TRUE(reader.done());
    EXPECT_EQ(reader.Take().body, body);
  }
}

TEST(ResponseReader, KnowsWhichResponsesHaveNoBody) {
  for (const char* head : {"HTTP/1.1 204 None\r\n\r\n", "HTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n",
                           "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}) {
    EXPECT_TRUE(Read(head).done()) << head;
  }
  ResponseReader reader = Read("HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n", true);
  ASSERT_TRUE(reader.done()) << "a length that HEAD tells is no body that is too large";
  EXPECT_EQ(reader.Take().fields, (wire::Fields{{"Content-Length", "9000"}}));
}

TEST(ResponseReader, KeepsAConnectionOnlyWhereBothSidesDo) {
  const auto keeps = [](std::string_view head) {
    const ResponseReader reader = Read(std::string(head) + "Content-Length: 0\r\n\r\n");
    return reader.done() && reader.keeps_alive();
  };
  EXPECT_TRUE(keeps("HTTP/1.1 200 OK\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.1 200 OK\r\nConnection: x, Close\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.1 200 OK\r\nConnection: close\r\nConnection: keep-alive\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.0 200 OK\r\nConnection: keep-alive, close\r\n"));
  EXPECT_FALSE(keeps("HTTP/1.0 200 OK\r\n"));
  EXPECT_TRUE(keeps("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n"));
}

TEST(ResponseReader, KeepsNoConnectionWhereABodyMayFollowThatMustNotBeThere) {
  EXPECT_FALSE(Read("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", true).keeps_alive()) << "to HEAD";
  EXPECT_FALSE(Read("HTTP/1.1 204 None\r\nContent-Length: 9\r\n\r\n").keeps_alive());
  EXPECT_FALSE(Read("HTTP/1.1 204 None\r\nTransfer-Encoding: chunked\r\n\r\n").keeps_alive());
  EXPECT_FALSE(Read("HTTP/1.1 304 Same\r\nTransfer-Encoding: chunked\r\n\r\n").keeps_alive());
  EXPECT_TRUE(Read("HTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n").keeps_alive());
  EXPECT_TRUE(Read("HTTP/1.1 204 None\r\n\r\n").keeps_alive());
  const ResponseReader chunks =
      Read("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
  EXPECT_TRUE(chunks.done() && !chunks.keeps_alive()) << "HTTP/1.0 knows no chunks";
}

TEST(ResponseReader, TakesTheEndOfTheConnectionForTheEndOfABodyWithoutLength) {
  ResponseReader reader = Read("HTTP/1.1 200 OK\r\n\r\nall of it");
  EXPECT_FALSE(reader.done());
  reader.End();
  ASSERT_TRUE(reader.done());
  EXPECT_FALSE(reader.keeps_alive());
  EXPECT_EQ(reader.Take().body, "all of it");
}

TEST(ResponseReader, FailsWhenTheConnectionEndsBeforeTheResponse) {
  for (const char* text : {"", "HTTP/1.1 20", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
                           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"}) {
    ResponseReader reader = Read(text);
    reader.End();
    EXPECT_TRUE(reader.failed()) << text;
  }
}

TEST(ResponseReader, RefusesBodiesOverTheLimitAsSoonAsThatIsKnown) {
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_TRUE(Read("HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n").too_large());
  EXPECT_TRUE(Read(chunked + "65\r\n").too_large());
  EXPECT_TRUE(Read("HTTP/1.1 200 OK\r\n\r\n" + std::string(101, 'x')).too_large());
  EXPECT_TRUE(Read("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + std::string(100, 'x')).done());
}

TEST(ResponseReader, RefusesWhatCouldMeanTwoThings) {
  for (const char* text : {
           "SSH-2.0-x\r\n",
           "HTTP/2 200\r\n\r\n",
           "HTTP/1.1 2000 OK\r\n\r\n",
           "HTTP/1.1 20 OK\r\n\r\n",
           "HTTP/1.1  200 OK\r\n\r\n",
           "HTTP/1.1 099 OK\r\n\r\n",
           "HTTP/1.1 101 Switching\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
           "HTTP/1.1 200 OK\r\n folded: 1\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n 0\r\n\r\n",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n , gzip\r\n\r\n",
           "HTTP/1.1 200 OK\r\nConnection: keep-alive,\r\n close\r\nContent-Length: 0\r\n\r\n",
           "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
           "HTTP/1.1 200 OK\r\nX A: 1\r\n\r\n",
           "HTTP/1.1 200 OK\r\nX: a\nY: b\r\n\r\n",
           "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
       }) {
    EXPECT_TRUE(Read(text).failed()) << text;
    EXPECT_FALSE(Read(text).problem().empty()) << text;
  }
  EXPECT_TRUE(Read(std::string("HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n", 27)).failed());
}

TEST(ResponseReader, BoundsHeadsAndInterimResponses) {
  const std::string field = "X: " + std::string(ResponseReader::kMaxHeadBytes, 'x');
  EXPECT_TRUE(Read("HTTP/1.1 200 OK\r\n" + field).failed());
  EXPECT_TRUE(Read("HTTP/1.1 200 OK\r\n" + field + "\r\n\r\n").failed());
  ResponseReader slow;
  slow.Begin(false, kMaxBody);
  slow.Feed("HTTP/1.1 200 OK\r\n");
  for (int i = 0; i < 70 && !slow.failed(); ++i) slow.Feed("X: " + std::string(1000, 'x') + "\r\n");
  EXPECT_TRUE(slow.failed());
  std::string interim;
  for (int i = 0; i <= ResponseReader::kMaxInterimResponses; ++i) interim += "HTTP/1.1 100 Continue\r\n\r\n";
  EXPECT_TRUE(Read(interim).failed());
}

TEST(ResponseReader, JoinsFoldedLines) {
  ResponseReader reader = Read("HTTP/1.1 200 OK\r\nX: a\r\n \t b\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(reader.done());
  EXPECT_EQ(reader.Take().fields, (wire::Fields{{"X", "a b"}}));
}

}  // namespace
}  // namespace warren::worker
