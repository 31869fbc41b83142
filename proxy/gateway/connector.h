// Connector: finds a session its broker node: tries one after the other, with a bound on the time for each, TCP and TLS
// together. Made for one session, and gone once it has an answer.
//
// Threads: all on the executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "policies/error.h"
#include "proxy/gateway/peer.h"
#include "proxy/gateway/upstreams.h"

namespace warren::gateway {

class Connector : public std::enable_shared_from_this<Connector> {
 public:
  struct Connected {
    Peer peer;
    std::size_t node = 0;  ///< Counted as Upstreams::Take; to be given back.
  };
  /// Called once, unless cancelled. The error is the last node's.
  using Done = std::function<void(Result<Connected>)>;

  Connector(boost::asio::any_io_executor executor, Upstreams& upstreams, std::vector<std::size_t> order, Done done);

  void Start() { TryNext(); }
  void Cancel();

 private:
  using Resolver = boost::asio::ip::tcp::resolver;
  using ErrorCodeOf = boost::system::error_code;

  void TryNext();
  void Connect(const Resolver::results_type& addresses, std::size_t attempt);
  void OnConnected(std::size_t attempt);
  void StepTls(std::size_t attempt);
  void GiveUp(Error error);
  void CloseSocket();
  void Finish(Result<Connected> result);
  /// Whether a callback is of an attempt that is over.
  bool IsStale(std::size_t attempt) const { return !done_ || attempt != attempt_; }

  const boost::asio::any_io_executor executor_;
  Upstreams& upstreams_;
  const std::vector<std::size_t> order_;
  Done done_;
  Resolver resolver_;
  std::shared_ptr<boost::asio::ip::tcp::socket> socket_;  ///< Of this attempt alone.
  boost::asio::steady_timer timer_;
  std::optional<Peer> peer_;  ///< While it does its TLS handshake.
  std::size_t attempt_ = 0;   ///< Counted from 1; order_[attempt_ - 1] is being tried.
  Error last_;
};

}  // namespace warren::gateway
