// Peer: one side of a session: a connected socket, plain or TLS, that never blocks, with what could not be written yet.
// An idle peer holds no buffer: readiness is waited for, and bytes are read into memory of the caller's thread. TLS is
// OpenSSL on the descriptor itself, since Asio's stream keeps two buffers of 17 KiB for each connection.
//
// Threads: all on the socket's executor.
#pragma once

#include <openssl/ssl.h>

#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace warren::gateway {

class Peer {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  using Error = boost::system::error_code;

  struct SslDeleter {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  using Tls = std::unique_ptr<SSL, SslDeleter>;

  struct Got {
    std::size_t bytes = 0;
    Error error = {};  ///< would_block: no more now; eof; or what went wrong. Bytes may come with it.
  };

  /// Connected. `tls`: its handshake is to be done with StepHandshake.
  explicit Peer(Socket socket, Tls tls = {});

  /// Up to `room` bytes. Fewer than that, and no error but would_block: wait for more.
  Got Read(char* into, std::size_t room);
  /// Writes what can be written now, and keeps the rest for Flush. Nothing after a failure.
  void Send(std::string_view bytes);
  void Flush();
  /// Bytes kept.
  std::size_t pending() const { return pending_.size(); }
  /// Bytes written in all.
  std::uint64_t sent() const { return sent_; }
  /// Writing failed, for good; nothing is pending then.
  bool failed() const { return failed_; }

  /// One step of the TLS handshake: would_block, with `wants_write` set as it needs; or how it ended.
  Error StepHandshake(bool& wants_write);

  /// `done` gets the error.
  template <class Done>
  void WaitReadable(Done done) {
    socket_.async_wait(Socket::wait_read, std::move(done));
  }
  template <class Done>
  void WaitWritable(Done done) {
    socket_.async_wait(Socket::wait_write, std::move(done));
  }

  /// Our side says that it has no more.
  void ShutSend();
  void Close();

  Socket& socket() { return socket_; }
  SSL* tls() { return tls_.get(); }

 private:
  std::size_t WriteNow(std::string_view bytes);
  Got ReadTls(char* into, std::size_t room);

  Socket socket_;
  Tls tls_;
  std::string pending_;
  std::uint64_t sent_ = 0;
  bool failed_ = false;
};

/// The reason in words, of the last TLS operation where it was one.
std::string TlsFailureText();

}  // namespace warren::gateway
