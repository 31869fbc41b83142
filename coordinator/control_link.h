// ControlLink: the coordinator's end of exchange warren.control in one vhost: hears what consumers say of themselves
// and sends them their assignments. An exclusive queue of its own, bound with the key of hellos, on a connection that
// moves to another node when its node goes.
//
// The exchange is declared where that is allowed, and used as it is where it is not. A user who may not listen hears
// nothing, and the link says what he needs; it tries again now and then, and at Retry. One who may listen and not send
// goes on listening.
//
// Threads: all calls and callbacks on the executor, which runs one handler at a time.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shardmgr/broker/amqp/types.h"

namespace warren::coordinator {

struct ControlLinkOptions {
  amqp::Credentials credentials;
  std::string tls_ca_file;
  std::string vhost;
};

/// What a consumer said. Views: live as long as the call.
struct ControlMessage {
  std::string_view type;
  std::string_view inbox;  ///< Where it wants its answer; empty: it did not say.
  std::string_view body;
  bool damaged = false;  ///< Too large, or with headers that cannot be read: the rest is empty.
};

struct ControlLinkHandlers {
  std::function<void(const ControlMessage&)> on_message;
  /// Nobody is at that inbox any more.
  std::function<void(const std::string& inbox)> on_returned;
  /// Whether it hears from now on. `problem`: why it does not, or may not answer; empty: all is well.
  std::function<void(bool hears, const std::string& problem)> on_state;
};

class ControlLink {
 public:
  ControlLink(boost::asio::any_io_executor executor, ControlLinkOptions options, ControlLinkHandlers handlers);
  ~ControlLink();

  void SetEndpoints(std::vector<amqp::Endpoint> endpoints);
  /// Something may have changed for the better: tries again now if it does not hear.
  void Retry();
  /// The broker takes no messages for now (it runs short of memory or disk), from consumers neither.
  bool is_blocked() const;
  /// False: Send would not send now.
  bool CanSend() const;
  /// Publishes an assignment. False: not now, since it does not hear, or the broker takes nothing.
  bool Send(const std::string& inbox, std::string_view body);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace warren::coordinator
