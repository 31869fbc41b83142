// A socket that never blocks: what it keeps, and what it says of the other end.
#include "proxy/gateway/peer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <memory>
#include <string>

namespace warren::gateway {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

class PeerTest : public ::testing::Test {
 protected:
  PeerTest() {
    tcp::acceptor acceptor(io_, {asio::ip::address_v4::loopback(), 0});
    other_.connect(acceptor.local_endpoint());
    peer_ = std::make_unique<Peer>(acceptor.accept());
  }

  std::string ReadOther(std::size_t bytes) {
    std::string got(bytes, '\0');
    boost::system::error_code error;
    got.resize(asio::read(other_, asio::buffer(got), error));
    return got;
  }

  asio::io_context io_;
  tcp::socket other_{io_};
  std::unique_ptr<Peer> peer_;
};

TEST_F(PeerTest, KeepsWhatTheOtherDoesNotTakeAndSendsItLaterInOrder) {
  std::string sent;
  for (char letter = 'a'; peer_->pending() == 0; letter = letter == 'z' ? 'a' : static_cast<char>(letter + 1)) {
    const std::string piece(1'000'000, letter);
    sent += piece;
    peer_->Send(piece);
  }
  peer_->Send("the end");
  sent += "the end";
  std::string got;
  while (got.size() < sent.size()) {
    got += ReadOther(std::min<std::size_t>(sent.size() - got.size(), 100'000));
    peer_->Flush();
  }
  EXPECT_EQ(got, sent);
  EXPECT_EQ(peer_->pending(), 0u);
  EXPECT_EQ(peer_->sent(), sent.size());
}

TEST_F(PeerTest, ReadsWhatIsThereAndDoesNotWaitForMore) {
  char buffer[16];
  EXPECT_EQ(peer_->Read(buffer, sizeof(buffer)).error, asio::error::would_block);
  asio::write(other_, asio::buffer("abc", 3));
  bool readable = false;
  peer_->WaitReadable([&readable](const Peer::Error& error) { readable = !error; });
  io_.run();
  ASSERT_TRUE(readable);
  EXPECT_EQ(peer_->Read(buffer, sizeof(buffer)).bytes, 3u);
  EXPECT_EQ(std::string(buffer, 3), "abc");
}

TEST_F(PeerTest, TellsAnEndInOrderFromABrokenConnection) {
  char buffer[16];
  other_.shutdown(tcp::socket::shutdown_send);
  peer_->WaitReadable([](const Peer::Error&) {});
  io_.run();
  EXPECT_EQ(peer_->Read(buffer, sizeof(buffer)).error, asio::error::eof);
  other_.set_option(asio::socket_base::linger(true, 0));
  other_.close();
  peer_->Send("to nobody");
  peer_->Send("to nobody");
  EXPECT_TRUE(peer_->failed());
  EXPECT_EQ(peer_->pending(), 0u);
}

}  // namespace
}  // namespace warren::gateway
