// One node after the other; see the header.
#include "proxy/gateway/connector.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/error.hpp>
#include <chrono>
#include <utility>

#include "shardmgr/broker/amqp/tls.h"

namespace warren::gateway {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::seconds kConnectTimeout{3};  ///< For one node.

}  // namespace

Connector::Connector(asio::any_io_executor executor, Upstreams& upstreams, std::vector<std::size_t> order, Done done)
    : executor_(std::move(executor)),
      upstreams_(upstreams),
      order_(std::move(order)),
      done_(std::move(done)),
      resolver_(executor_),
      timer_(executor_) {}

void Connector::TryNext() {
  if (attempt_ == order_.size()) return Finish(tl::unexpected(last_));
  const std::size_t attempt = ++attempt_;
  const std::size_t node = order_[attempt - 1];
  const amqp::Endpoint& endpoint = upstreams_.node(node);
  upstreams_.Take(node);
  timer_.expires_after(kConnectTimeout);
  timer_.async_wait([self = shared_from_this(), attempt](error_code error) {
    if (!error && !self->IsStale(attempt)) self->GiveUp({ErrorCode::kTimeout, "no connection within 3 s", {}});
  });
  error_code no_address;
  const auto address = asio::ip::make_address(endpoint.host, no_address);
  if (!no_address) {
    const tcp::endpoint target(address, endpoint.port);
    return Connect(Resolver::results_type::create(target, endpoint.host, {}), attempt);
  }
  resolver_.async_resolve(endpoint.host, std::to_string(endpoint.port),
                          [self = shared_from_this(), attempt](error_code error, const Resolver::results_type& found) {
                            if (self->IsStale(attempt)) return;
                            if (error) return self->GiveUp({ErrorCode::kUnavailable, error.message(), {}});
                            self->Connect(found, attempt);
                          });
}

void Connector::Connect(const Resolver::results_type& addresses, std::size_t attempt) {
  // A socket of its own: an attempt that is given up would otherwise go on with its next address on that of another.
  socket_ = std::make_shared<tcp::socket>(executor_);
  const auto connected = [self = shared_from_this(), attempt, socket = socket_](error_code error,
                                                                                const tcp::endpoint&) {
    if (self->IsStale(attempt)) return;
    if (error) return self->GiveUp({ErrorCode::kUnavailable, error.message(), {}});
    self->OnConnected(attempt);
  };
  asio::async_connect(*socket_, addresses, connected);
}

void Connector::OnConnected(std::size_t attempt) {
  const std::size_t node = order_[attempt - 1];
  const amqp::Endpoint& endpoint = upstreams_.node(node);
  if (!endpoint.tls) return Finish(Connected{Peer(std::move(*socket_)), node});
  Peer::Tls tls(SSL_new(upstreams_.tls()->native_handle()));
  if (!tls) return GiveUp({ErrorCode::kUnavailable, "no memory for TLS", {}});
  amqp::ExpectTlsPeer(tls.get(), endpoint.host);
  peer_.emplace(std::move(*socket_), std::move(tls));
  StepTls(attempt);
}

void Connector::StepTls(std::size_t attempt) {
  bool wants_write = false;
  const error_code error = peer_->StepHandshake(wants_write);
  if (!error) return Finish(Connected{std::move(*peer_), order_[attempt - 1]});
  if (error != asio::error::would_block) return GiveUp(amqp::ExplainTlsFailure(peer_->tls(), TlsFailureText()));
  const auto again = [self = shared_from_this(), attempt](error_code stopped) {
    if (!stopped && !self->IsStale(attempt)) self->StepTls(attempt);
  };
  wants_write ? peer_->WaitWritable(again) : peer_->WaitReadable(again);
}

void Connector::GiveUp(Error error) {
  const std::size_t node = order_[attempt_ - 1];
  last_ = error.Within(upstreams_.node(node).ToString());
  upstreams_.Give(node);
  upstreams_.CountFailure(node);
  CloseSocket();
  peer_.reset();
  resolver_.cancel();
  TryNext();
}

void Connector::CloseSocket() {
  error_code ignored;
  if (socket_) socket_->close(ignored);
  socket_ = nullptr;
}

void Connector::Finish(Result<Connected> result) {
  timer_.cancel();
  std::exchange(done_, {})(std::move(result));
}

void Connector::Cancel() {
  if (!done_) return;
  done_ = {};
  upstreams_.Give(order_[attempt_ - 1]);
  CloseSocket();
  peer_.reset();
  resolver_.cancel();
  timer_.cancel();
}

}  // namespace warren::gateway
