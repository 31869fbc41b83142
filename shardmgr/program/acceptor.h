// Acceptor: a listening TCP socket that hands over whoever connects, for the small servers of our programs (metrics,
// REST). Goes on when the system is out of descriptors. Everything on the io_context's one thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <string_view>

#include "policies/error.h"
#include "shardmgr/program/units.h"

namespace warren::program {

class Acceptor {
 public:
  using Socket = boost::asio::ip::tcp::socket;

  /// `take` gets each connection. The io_context outlives the acceptor, and is stopped before that ends.
  Acceptor(boost::asio::io_context& io, std::function<void(Socket)> take);

  /// Listens; the address with the real port. kConfiguration: in use or not ours, with `option` as the remedy.
  Result<Address> Listen(const Address& wanted, std::string_view option);

 private:
  void Accept();

  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer pause_;
  std::function<void(Socket)> take_;
};

}  // namespace warren::program
