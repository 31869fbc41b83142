// The socket around the protocol machine: resolve, connect, TLS, one read and one write at a time,
// the heartbeat clock, and the limits in time of handshake and farewell.
#include "shardmgr/broker/amqp/connection.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <cstring>
#include <vector>

#include "shardmgr/broker/amqp/channel_state.h"
#include "shardmgr/broker/amqp/protocol.h"
#include "shardmgr/broker/amqp/transport.h"

namespace warren::amqp {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kReadBufferBytes = 64 * 1024;
constexpr std::size_t kEnoughBytes = 32 * 1024;  // For a write of its own.
constexpr int kMostTurns = 8;
constexpr std::chrono::seconds kFarewellTimeout{2};
constexpr std::chrono::milliseconds kLongestTick{5'000};

}  // namespace

class ConnectionImpl : public std::enable_shared_from_this<ConnectionImpl> {
 public:
  ConnectionImpl(asio::any_io_executor executor, ConnectionOptions options, ConnectionHandlers handlers)
      : executor_(executor),
        handlers_(std::move(handlers)),
        protocol_(std::move(options), ProtocolEvents()),
        resolver_(executor),
        deadline_(executor),
        ticker_(executor) {}

  void Start() {
    Result<std::unique_ptr<Transport>> transport = Transport::Make(executor_, protocol_.options());
    if (!transport) return protocol_.Fail(transport.error());
    transport_ = std::move(*transport);
    Expire(deadline_, protocol_.options().handshake_timeout, [this] {
      if (!protocol_.is_open()) Break({ErrorCode::kTimeout, "no connection within the handshake timeout", {}});
    });
    const Endpoint& endpoint = protocol_.options().endpoint;
    // The resolver has one thread for all connections, and a name that nobody answers for holds it for seconds.
    error_code not_numeric;
    if (const auto address = asio::ip::make_address(endpoint.host, not_numeric); !not_numeric) {
      using Results = asio::ip::tcp::resolver::results_type;
      return Connect(Results::create(asio::ip::tcp::endpoint(address, endpoint.port), endpoint.host, ""));
    }
    resolver_.async_resolve(endpoint.host, std::to_string(endpoint.port),
                            [self = shared_from_this()](error_code error, auto results) {
                              if (error) return self->Break(error, "cannot resolve the host name");
                              self->Connect(results);
                            });
  }

  /// Everything stops, nobody is told.
  void Abort() {
    protocol_.Forget();
    handlers_ = {};
    Shut();
  }

  /// `keep` lives until the farewell is answered or timed out.
  void Close(std::shared_ptr<Connection> keep) {
    protocol_.Close();
    Expire(deadline_, kFarewellTimeout, [this, keep] {
      Break({ErrorCode::kUnavailable, "closed by us, unanswered", {}});
    });
  }

  Protocol& protocol() { return protocol_; }
  std::size_t unsent_bytes() const { return protocol_.output_bytes() + writing_.size(); }

 private:
  Protocol::Events ProtocolEvents() {
    return {.on_open =
                [this] {
                  deadline_.cancel();
                  Tick();
                  if (const auto on_open = handlers_.on_open) on_open();
                },
            .on_over = [this](const Error& error) { Finish(error); },
            .on_blocked =
                [this](bool blocked, std::string_view reason) {
                  if (const auto on_blocked = handlers_.on_blocked) on_blocked(blocked, reason);
                },
            .on_output = [this] { Wake(); }};
  }

  void Connect(const asio::ip::tcp::resolver::results_type& results) {
    if (protocol_.is_over()) return;
    asio::async_connect(transport_->socket(), results, [self = shared_from_this()](error_code error, const auto&) {
      if (error) return self->Break(error, "cannot connect");
      self->transport_->socket().set_option(asio::ip::tcp::no_delay(true), error);
      self->transport_->Handshake([self](const Result<void>& shaken) {
        if (self->protocol_.is_over()) return;
        if (!shaken) return self->Break(shaken.error());
        self->protocol_.Start(Clock::now());
        self->Read();
      });
    });
  }

  void Read() {
    if (buffer_.size() - filled_ < kReadBufferBytes / 2) buffer_.resize(filled_ + kReadBufferBytes);
    transport_->ReadSome(asio::buffer(buffer_.data() + filled_, buffer_.size() - filled_),
                         [self = shared_from_this()](error_code error, std::size_t count) {
                           if (error) return self->Break(error, "the connection was lost");
                           self->OnBytes(count);
                         });
  }

  void OnBytes(std::size_t count) {
    filled_ += count;
    const std::size_t taken = protocol_.Feed({buffer_.data(), filled_}, Clock::now());
    filled_ -= taken;
    if (taken > 0) std::memmove(buffer_.data(), buffer_.data() + taken, filled_);
    if (!protocol_.is_over()) Read();
  }

  // Whatever is sent in one turn of the executor goes out in one write at its end. While there is more to send with
  // each turn, a few turns share a write: the broker works cheaper on bunches, and who is alone does not wait.
  void Wake() {
    if (woken_) return;
    woken_ = true;
    turns_ = 0;
    FlushAtTurnsEnd();
  }

  void FlushAtTurnsEnd() {
    asio::post(executor_, [weak = weak_from_this(), before = protocol_.output_bytes()] {
      const auto self = weak.lock();
      if (!self || !self->woken_) return;
      const std::size_t now = self->protocol_.output_bytes();
      const bool more_comes = before > 0 && now > before && now < kEnoughBytes && ++self->turns_ < kMostTurns;
      more_comes ? self->FlushAtTurnsEnd() : self->Flush();
    });
  }

  void Flush() {
    const auto self = shared_from_this();
    woken_ = false;
    protocol_.RunDeferred();
    if (!transport_ || !transport_->ready() || !writing_.empty() || !protocol_.has_output()) return;
    protocol_.TakeOutput(writing_, Clock::now());
    transport_->Write(asio::buffer(writing_), [self](error_code error, std::size_t) {
      self->writing_.clear();
      if (error) return self->Break(error, "the connection was lost");
      if (self->finished_) return self->Shut();
      self->Flush();
    });
  }

  void Tick() {
    const auto pause = std::min(kLongestTick, std::chrono::milliseconds(protocol_.heartbeat()) / 2);
    if (pause.count() == 0) return;  // No heartbeats agreed.
    Expire(ticker_, pause, [this] {
      protocol_.Tick(Clock::now());
      if (!protocol_.is_over()) Tick();
    });
  }

  template <class Call>
  void Expire(asio::steady_timer& timer, std::chrono::milliseconds after, Call call) {
    timer.expires_after(after);
    timer.async_wait([weak = weak_from_this(), call](error_code error) {
      const auto self = weak.lock();
      if (self && !error) call();
    });
  }

  void Break(error_code error, const char* what) {
    if (error == asio::error::operation_aborted && protocol_.is_over()) return;
    Break({ErrorCode::kUnavailable, std::string(what) + ": " + error.message(), {}});
  }

  void Break(const Error& error) {
    protocol_.Fail(error);
    broken_ = true;
  }

  // Told once by the protocol, outside of any call of a user. What is still to be written (close-ok)
  // goes out first, unless the socket is what failed.
  void Finish(const Error& error) {
    finished_ = true;
    ticker_.cancel();
    const auto on_closed = std::exchange(handlers_, {}).on_closed;
    if (broken_ || !transport_ || !transport_->ready()) {
      Shut();
    } else {
      Expire(deadline_, kFarewellTimeout, [this] { Shut(); });
      Flush();
      if (writing_.empty()) Shut();
    }
    if (on_closed) on_closed(error);
  }

  void Shut() {
    resolver_.cancel();
    deadline_.cancel();
    ticker_.cancel();
    if (transport_) transport_->Shut();
  }

  asio::any_io_executor executor_;
  ConnectionHandlers handlers_;
  Protocol protocol_;
  asio::ip::tcp::resolver resolver_;
  asio::steady_timer deadline_;
  asio::steady_timer ticker_;
  std::unique_ptr<Transport> transport_;
  std::vector<char> buffer_;  // Received, not yet taken by the protocol: the first filled_ bytes.
  std::size_t filled_ = 0;
  std::string writing_;
  bool woken_ = false;
  int turns_ = 0;  // Since Wake().
  bool broken_ = false;
  bool finished_ = false;
};

Connection::Connection(std::shared_ptr<ConnectionImpl> impl) : impl_(std::move(impl)) {}

Connection::~Connection() { impl_->Abort(); }

std::shared_ptr<Connection> Connection::Open(asio::any_io_executor executor, ConnectionOptions options,
                                             ConnectionHandlers handlers) {
  auto impl = std::make_shared<ConnectionImpl>(executor, std::move(options), std::move(handlers));
  asio::post(executor, [impl] {
    if (!impl->protocol().is_over()) impl->Start();
  });
  return std::shared_ptr<Connection>(new Connection(std::move(impl)));
}

std::shared_ptr<Channel> Connection::OpenChannel() {
  return std::shared_ptr<Channel>(new Channel(impl_, impl_->protocol().OpenChannel()));
}

void Connection::Close() { impl_->Close(shared_from_this()); }
bool Connection::is_open() const { return impl_->protocol().is_open(); }
bool Connection::is_blocked() const { return impl_->protocol().is_blocked(); }
std::size_t Connection::unsent_bytes() const { return impl_->unsent_bytes(); }
std::uint32_t Connection::frame_max() const { return impl_->protocol().frame_max(); }
const Endpoint& Connection::endpoint() const { return impl_->protocol().options().endpoint; }

}  // namespace warren::amqp
