// Connection and Channel: AMQP 0-9-1 over Boost.Asio. The socket around protocol.h, which is the
// state machine; rabbitmq-c encodes and decodes. Used by the coordinator, the proxy and the worker.
//
// Threads: a connection, its channels and all callbacks live on one executor that runs one handler
// at a time (an io_context with one thread, or a strand). Nothing here blocks. Callbacks are never
// called from inside the call that asked for them. What is sent in one turn of the executor goes
// out in one write.
//
// Heartbeats go both ways; silence for two intervals closes the connection (kTimeout). The
// connection advertises publisher_confirms, basic.nack, consumer_cancel_notify,
// connection.blocked and authentication_failure_close.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "policies/error.h"
#include "shardmgr/broker/amqp/types.h"

namespace warren::amqp {

class Channel;
class ChannelState;
class ConnectionImpl;

struct ConnectionHandlers {
  std::function<void()> on_open = {};                ///< The handshake is done.
  std::function<void(const Error&)> on_closed = {};  ///< Once, for whatever reason, also before open.
  std::function<void(bool blocked, std::string_view reason)> on_blocked = {};  ///< connection.blocked / unblocked.
};

/// One connection to one node. Dropping the last reference closes the socket without ceremony.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  /// Starts connecting at once; on_open or on_closed follows.
  static std::shared_ptr<Connection> Open(boost::asio::any_io_executor executor, ConnectionOptions options,
                                          ConnectionHandlers handlers);
  ~Connection();

  /// Opens a channel; calls on it may be made at once, they are sent after channel.open.
  std::shared_ptr<Channel> OpenChannel();

  /// connection.close, then the socket's end; on_closed follows with kUnavailable "closed by us".
  /// The connection lives until then, whoever drops it meanwhile.
  void Close();

  bool is_open() const;
  bool is_blocked() const;
  std::size_t unsent_bytes() const;  ///< Accepted by Publish and not yet written to the socket.
  std::uint32_t frame_max() const;   ///< As negotiated.
  const Endpoint& endpoint() const;

 private:
  explicit Connection(std::shared_ptr<ConnectionImpl> impl);
  std::shared_ptr<ConnectionImpl> impl_;
};

struct ChannelHandlers {
  /// Per published message in order of the broker's confirms (`multiple` is unfolded).
  std::function<void(std::uint64_t sequence, bool acked)> on_confirm = {};
  std::function<void(Returned&)> on_return = {};
  /// The broker cancelled a consumer: its queue was deleted or its node is gone.
  std::function<void(std::string_view consumer_tag)> on_cancelled = {};
  /// channel.close from the broker or the end of the connection; once. Pending calls get the same error.
  std::function<void(const Error&)> on_closed = {};
};

/// One channel. Calls are pipelined: answers come in the order of the calls. After it closed, every
/// call answers with the error that closed it, and Publish, Ack, Nack and Reject do nothing.
class Channel : public std::enable_shared_from_this<Channel> {
 public:
  template <class T>
  using Done = std::function<void(Result<T>)>;
  using OnDelivery = std::function<void(Delivery&)>;

  ~Channel();
  void SetHandlers(ChannelHandlers handlers);

  void DeclareQueue(const QueueDeclare& queue, Done<QueueDeclared> done);
  /// Answers with the number of messages deleted.
  void DeleteQueue(const std::string& queue, bool if_unused, bool if_empty, Done<std::uint32_t> done);
  void PurgeQueue(const std::string& queue, Done<std::uint32_t> done);
  void BindQueue(const std::string& queue, const std::string& exchange, const std::string& routing_key,
                 const Table& arguments, Done<void> done);
  void UnbindQueue(const std::string& queue, const std::string& exchange, const std::string& routing_key,
                   const Table& arguments, Done<void> done);
  /// exchange.bind: `destination` gets what `source` routes to it.
  void BindExchange(const std::string& destination, const std::string& source, const std::string& routing_key,
                    const Table& arguments, Done<void> done);
  void UnbindExchange(const std::string& destination, const std::string& source, const std::string& routing_key,
                      const Table& arguments, Done<void> done);
  void DeclareExchange(const ExchangeDeclare& exchange, Done<void> done);
  void DeleteExchange(const std::string& exchange, bool if_unused, Done<void> done);

  void Qos(std::uint16_t prefetch, bool global, Done<void> done);
  /// `consumer_tag` empty: the broker makes one up. Answers with the tag.
  void Consume(const std::string& queue, const std::string& consumer_tag, bool no_ack, bool exclusive,
               const Table& arguments, OnDelivery on_delivery, Done<std::string> done);
  void Cancel(const std::string& consumer_tag, Done<void> done);
  void SelectConfirms(Done<void> done);

  /// Sends one message; in confirm mode its sequence number (from 1), otherwise 0. Copies what it
  /// is given. Headers and properties together must fit one frame (Connection::frame_max), else
  /// kInvalid and nothing is sent.
  Result<std::uint64_t> Publish(std::string_view exchange, std::string_view routing_key, bool mandatory,
                                const amqp_basic_properties_t& properties, std::string_view body);
  void Ack(std::uint64_t delivery_tag, bool multiple = false);
  void Nack(std::uint64_t delivery_tag, bool multiple, bool requeue);
  void Reject(std::uint64_t delivery_tag, bool requeue);

  /// channel.close; pending calls and on_closed get kUnavailable "closed by us".
  void Close();
  bool is_open() const;

 private:
  friend class Connection;
  Channel(std::shared_ptr<ConnectionImpl> impl, std::shared_ptr<ChannelState> state);
  std::shared_ptr<ConnectionImpl> impl_;  // Keeps the protocol machine alive.
  std::shared_ptr<ChannelState> state_;
};

}  // namespace warren::amqp
