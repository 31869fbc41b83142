// Plain and TLS streams behind one interface.
#include "shardmgr/broker/amqp/transport.h"

#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>

#include "shardmgr/broker/amqp/tls.h"

namespace warren::amqp {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Socket = asio::ip::tcp::socket;

class PlainTransport final : public Transport {
 public:
  explicit PlainTransport(const asio::any_io_executor& executor) : socket_(executor) {}

  Socket& socket() override { return socket_; }

  void Handshake(Done done) override {
    ready_ = true;
    asio::post(socket_.get_executor(), [done = std::move(done)] { done(Result<void>()); });
  }

  void ReadSome(asio::mutable_buffer into, Transferred done) override {
    socket_.async_read_some(into, std::move(done));
  }

  void Write(asio::const_buffer from, Transferred done) override { asio::async_write(socket_, from, std::move(done)); }

 private:
  Socket socket_;
};

class TlsTransport final : public Transport {
 public:
  TlsTransport(const asio::any_io_executor& executor, asio::ssl::context context, const std::string& host)
      : context_(std::move(context)), stream_(executor, context_) {
    ExpectTlsPeer(stream_.native_handle(), host);
  }

  Socket& socket() override { return stream_.next_layer(); }

  void Handshake(Done done) override {
    stream_.async_handshake(asio::ssl::stream_base::client, [this, done = std::move(done)](error_code error) {
      ready_ = !error;
      done(error ? Result<void>(tl::unexpected(ExplainTlsFailure(stream_.native_handle(), error.message())))
                 : Result<void>());
    });
  }

  void ReadSome(asio::mutable_buffer into, Transferred done) override {
    stream_.async_read_some(into, std::move(done));
  }

  void Write(asio::const_buffer from, Transferred done) override { asio::async_write(stream_, from, std::move(done)); }

 private:
  asio::ssl::context context_;
  asio::ssl::stream<Socket> stream_;
};

}  // namespace

Result<std::unique_ptr<Transport>> Transport::Make(const asio::any_io_executor& executor,
                                                   const ConnectionOptions& options) {
  if (!options.endpoint.tls) return std::make_unique<PlainTransport>(executor);
  auto context = MakeTlsContext(options.tls_ca_file);
  if (!context) return tl::unexpected(std::move(context.error()));
  return std::make_unique<TlsTransport>(executor, std::move(*context), options.endpoint.host);
}

void Transport::Shut() {
  ready_ = false;
  error_code ignored;
  socket().shutdown(Socket::shutdown_both, ignored);
  socket().close(ignored);
}

}  // namespace warren::amqp
