// The worker's inbox: a queue of one connection alone, to which the proxy sends http.cancel and http.grant, and
// coordinators send assignments (docs/wire.md, "Long work", "Claims" and "Assignments"). Its node is the node of the
// connection, so it tells that as well.
//
// Threads: everything on the connection's executor.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "policies/error.h"
#include "shardmgr/broker/amqp/connection.h"

namespace warren::worker {

class Inbox : public std::enable_shared_from_this<Inbox> {
 public:
  using OnMessage = std::function<void(std::string_view correlation_id, std::string_view attempt)>;
  struct Hooks {
    OnMessage on_cancel, on_grant;
    std::function<void(std::string_view body)> on_assignment;
    std::function<void()> on_lost = {};  ///< It was open, and its queue has gone; the connection has not.
  };

  /// Declares and consumes the queue; `done` once with its name, or why there is none. Nothing is called after the
  /// inbox is gone. `name` is that of an inbox that this one replaces, for those who hold it, or null.
  static std::shared_ptr<Inbox> Open(const std::shared_ptr<amqp::Connection>& connection, Hooks hooks,
                                     std::function<void(Result<std::string>)> done, std::shared_ptr<std::string> name);

  /// The queue; empty until it is consumed, and once it is lost. Shared with those who name it to others.
  const std::shared_ptr<std::string>& name() const { return name_; }
  bool is_open() const { return channel_->is_open(); }

 private:
  Inbox(std::shared_ptr<amqp::Connection> connection, Hooks hooks, std::shared_ptr<std::string> name)
      : connection_(std::move(connection)),
        channel_(connection_->OpenChannel()),
        hooks_(std::move(hooks)),
        name_(std::move(name)) {}
  void Consume(const std::string& queue, std::function<void(Result<std::string>)> done);
  void OnDelivery(const amqp::Delivery& delivery) const;
  void OnLost();

  std::shared_ptr<amqp::Connection> connection_;
  std::shared_ptr<amqp::Channel> channel_;
  Hooks hooks_;
  std::shared_ptr<std::string> name_;
};

}  // namespace warren::worker
