// Sockets that never block; see the header.
#include "proxy/gateway/peer.h"

#include <openssl/err.h>

#include <algorithm>
#include <boost/asio/error.hpp>
#include <utility>

namespace warren::gateway {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr std::size_t kMostAtOnceBytes = std::size_t{1} << 30;  // OpenSSL counts in int.

Peer::Error Of(int ssl_error) {
  switch (ssl_error) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return asio::error::would_block;
    case SSL_ERROR_ZERO_RETURN: return asio::error::eof;
    default: return asio::error::connection_reset;
  }
}

}  // namespace

Peer::Peer(Socket socket, Tls tls) : socket_(std::move(socket)), tls_(std::move(tls)) {
  Error ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(tcp::no_delay(true), ignored);
  socket_.set_option(asio::socket_base::keep_alive(true), ignored);
  if (!tls_) return;
  SSL_set_fd(tls_.get(), socket_.native_handle());
  SSL_set_mode(tls_.get(),
               SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_set_options(tls_.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
}

Peer::Got Peer::Read(char* into, std::size_t room) {
  if (tls_) return ReadTls(into, room);
  Got got;
  got.bytes = socket_.read_some(asio::buffer(into, room), got.error);
  return got;
}

Peer::Got Peer::ReadTls(char* into, std::size_t room) {
  Got got;
  while (got.bytes < room) {  // A record at a time.
    ERR_clear_error();
    const int bytes = SSL_read(tls_.get(), into + got.bytes, static_cast<int>(room - got.bytes));
    if (bytes <= 0) {
      got.error = Of(SSL_get_error(tls_.get(), bytes));
      break;
    }
    got.bytes += static_cast<std::size_t>(bytes);
  }
  return got;
}

std::size_t Peer::WriteNow(std::string_view bytes) {
  std::size_t wrote = 0;
  while (wrote < bytes.size()) {
    Error error;
    std::size_t step = 0;
    if (tls_) {
      ERR_clear_error();
      const int done = SSL_write(tls_.get(), bytes.data() + wrote,
                                 static_cast<int>(std::min(bytes.size() - wrote, kMostAtOnceBytes)));
      if (done > 0) {
        step = static_cast<std::size_t>(done);
      } else {
        error = Of(SSL_get_error(tls_.get(), done));
      }
    } else {
      step = socket_.write_some(asio::buffer(bytes.data() + wrote, bytes.size() - wrote), error);
    }
    wrote += step;
    failed_ = error && error != asio::error::would_block;
    if (error || !tls_) break;  // What a plain socket did not take at once it will not take now.
  }
  sent_ += wrote;
  return wrote;
}

void Peer::Send(std::string_view bytes) {
  if (bytes.empty() || failed_) return;
  if (pending_.empty()) bytes.remove_prefix(WriteNow(bytes));
  if (!failed_) pending_.append(bytes);
}

void Peer::Flush() {
  if (pending_.empty()) return;
  pending_.erase(0, WriteNow(pending_));
  if (failed_) pending_.clear();
  if (pending_.empty()) pending_ = std::string();
}

Peer::Error Peer::StepHandshake(bool& wants_write) {
  ERR_clear_error();
  const int done = SSL_connect(tls_.get());
  if (done == 1) return {};
  const int why = SSL_get_error(tls_.get(), done);
  wants_write = why == SSL_ERROR_WANT_WRITE;
  return Of(why);
}

void Peer::ShutSend() {
  Error ignored;
  if (tls_ && !failed_) {
    ERR_clear_error();
    SSL_shutdown(tls_.get());
  }
  socket_.shutdown(Socket::shutdown_send, ignored);
}

void Peer::Close() {
  Error ignored;
  socket_.close(ignored);
  tls_.reset();
  pending_ = std::string();
}

std::string TlsFailureText() {
  const unsigned long error = ERR_peek_last_error();
  if (error == 0) return "the connection was closed";
  const char* const text = ERR_reason_error_string(error);
  return text != nullptr ? text : "error " + std::to_string(error);
}

}  // namespace warren::gateway
