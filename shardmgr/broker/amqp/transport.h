// Transport: the byte stream under an AMQP connection, plain TCP or TLS, chosen once per connection.
// One read and one write may be under way at a time. Runs on the connection's executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>

#include "policies/error.h"
#include "shardmgr/broker/amqp/types.h"

namespace warren::amqp {

class Transport {
 public:
  using Done = std::function<void(Result<void>)>;
  using Transferred = std::function<void(boost::system::error_code, std::size_t)>;

  /// TLS when the endpoint says so: the host's name is verified against `tls_ca_file`, or against the
  /// system's certificates. kConfiguration when the file cannot be used.
  static Result<std::unique_ptr<Transport>> Make(const boost::asio::any_io_executor& executor,
                                                 const ConnectionOptions& options);
  virtual ~Transport() = default;

  /// To be connected by the caller, before Handshake.
  virtual boost::asio::ip::tcp::socket& socket() = 0;
  /// Errors say why the broker's certificate was refused.
  virtual void Handshake(Done done) = 0;
  virtual void ReadSome(boost::asio::mutable_buffer into, Transferred done) = 0;
  /// Writes all of it.
  virtual void Write(boost::asio::const_buffer from, Transferred done) = 0;

  /// The handshake is done and Shut was not called.
  bool ready() const { return ready_; }
  /// Closes the socket; what is under way ends with operation_aborted.
  void Shut();

 protected:
  bool ready_ = false;
};

}  // namespace warren::amqp
