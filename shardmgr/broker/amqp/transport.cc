// Plain and TLS streams behind one interface.
#include "shardmgr/broker/amqp/transport.h"

#include <openssl/x509_vfy.h>
#include <unistd.h>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>

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
    stream_.set_verify_mode(asio::ssl::verify_peer);
    error_code no_address;
    asio::ip::make_address(host, no_address);
    SSL* const ssl = stream_.native_handle();
    if (no_address) {
      SSL_set_tlsext_host_name(ssl, host.c_str());
      SSL_set1_host(ssl, host.c_str());
    } else {  // An address is no server name (RFC 6066, 3), and is sought among the certificate's addresses.
      X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str());
    }
  }

  Socket& socket() override { return stream_.next_layer(); }

  void Handshake(Done done) override {
    stream_.async_handshake(asio::ssl::stream_base::client, [this, done = std::move(done)](error_code error) {
      ready_ = !error;
      done(error ? Result<void>(tl::unexpected(Explained(error))) : Result<void>());
    });
  }

  void ReadSome(asio::mutable_buffer into, Transferred done) override {
    stream_.async_read_some(into, std::move(done));
  }

  void Write(asio::const_buffer from, Transferred done) override { asio::async_write(stream_, from, std::move(done)); }

 private:
  Error Explained(error_code error) {
    const long verified = SSL_get_verify_result(stream_.native_handle());
    if (verified == X509_V_OK) {
      return {ErrorCode::kUnavailable, "the TLS handshake failed: " + error.message() + "; is this a TLS port?", {}};
    }
    const bool other_host = verified == X509_V_ERR_HOSTNAME_MISMATCH || verified == X509_V_ERR_IP_ADDRESS_MISMATCH;
    return {ErrorCode::kUnavailable,
            std::string("the broker's TLS certificate is refused: ") + X509_verify_cert_error_string(verified) +
                (other_host ? "; give a name or address that the certificate holds"
                            : "; give the authority that signed it with --tls-ca-file"),
            {}};
  }

  asio::ssl::context context_;
  asio::ssl::stream<Socket> stream_;
};

}  // namespace

Result<std::unique_ptr<Transport>> Transport::Make(const asio::any_io_executor& executor,
                                                   const ConnectionOptions& options) {
  if (!options.endpoint.tls) return std::make_unique<PlainTransport>(executor);
  error_code error;
  asio::ssl::context context(asio::ssl::context::tls_client);
  if (options.tls_ca_file.empty()) {
    context.set_default_verify_paths(error);
  } else {
    context.load_verify_file(options.tls_ca_file, error);
  }
  if (error) {
    const bool readable = options.tls_ca_file.empty() || access(options.tls_ca_file.c_str(), R_OK) == 0;
    return Fail(ErrorCode::kConfiguration,
                readable ? "no TLS authorities can be read from it: " + error.message()
                         : "the file of TLS authorities cannot be read",
                options.tls_ca_file.empty() ? "the system's certificates" : options.tls_ca_file);
  }
  return std::make_unique<TlsTransport>(executor, std::move(context), options.endpoint.host);
}

void Transport::Shut() {
  ready_ = false;
  error_code ignored;
  socket().shutdown(Socket::shutdown_both, ignored);
  socket().close(ignored);
}

}  // namespace warren::amqp
