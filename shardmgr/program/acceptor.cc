// See acceptor.h.
#include "shardmgr/program/acceptor.h"

namespace warren::program {
namespace {

using boost::asio::ip::tcp;

constexpr std::chrono::milliseconds kAcceptPause{100};

}  // namespace

Acceptor::Acceptor(boost::asio::io_context& io, std::function<void(Socket)> take)
    : acceptor_(io), pause_(io), take_(std::move(take)) {}

Result<Address> Acceptor::Listen(const Address& wanted, std::string_view option) {
  boost::system::error_code error;
  const auto ip = boost::asio::ip::make_address(wanted.host == "localhost" ? "127.0.0.1" : wanted.host, error);
  const tcp::endpoint endpoint(ip, wanted.port);
  if (!error) acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(boost::asio::socket_base::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(boost::asio::socket_base::max_listen_connections, error);
  if (error) {
    return Fail(ErrorCode::kConfiguration,
                "cannot listen: " + error.message() + "; give another " + std::string(option), wanted.ToString());
  }
  const auto local = acceptor_.local_endpoint();
  Accept();
  return Address{local.address().to_string(), local.port()};
}

void Acceptor::Accept() {
  acceptor_.async_accept([this](boost::system::error_code error, Socket socket) {
    if (!error) {
      take_(std::move(socket));
      return Accept();
    }
    pause_.expires_after(kAcceptPause);  // Out of descriptors, most likely: try again a little later.
    pause_.async_wait([this](boost::system::error_code) { Accept(); });
  });
}

}  // namespace warren::program
