// AssignmentClient: a consumer's talk with coordinators over one connection (docs/wire.md, "Assignments"). Declares the
// control exchange, says hello and bye there, and tells its owner what to consume and when nobody says so any more.
// When what is to be said or believed is decided in dialogue.h; what to do about it is the owner's.
//
// The owner has the inbox and hands over what arrives there. It uses a channel of its own, so that a broker that
// refuses it (no permission, no exchange) closes nothing else.
//
// Threads: everything on the connection's executor. on_assignment is called from inside Receive, on_silent from inside
// no call; neither after SayBye or the client's end.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/control/dialogue.h"
#include "shardmgr/broker/amqp/connection.h"

namespace warren::control {

/// Who a consumer is to coordinators.
struct Consumer {
  std::string exchange;
  std::string instance;
  std::string kind = "worker";
};

struct AssignmentHooks {
  std::function<std::vector<std::string>()> holds;  ///< The queues consumed now.
  /// What to consume from now on.
  std::function<void(const Assignment&)> on_assignment;
  /// No coordinator assigns (any more); on_assignment follows when one does.
  std::function<void()> on_silent;
};

class AssignmentClient : public std::enable_shared_from_this<AssignmentClient> {
 public:
  /// Says hello at once, and again and again. `inbox` is the queue in which assignments arrive: of
  /// this connection, or of one beside it to the same node.
  static std::shared_ptr<AssignmentClient> Start(boost::asio::any_io_executor executor,
                                                 std::shared_ptr<amqp::Connection> connection, std::string inbox,
                                                 Consumer consumer, AssignmentHooks hooks);

  /// The body of a message of type warren.assignment.
  void Receive(std::string_view body);
  /// What is held has changed against what was assigned: says hello within a second.
  void Hurry();
  /// The consumer takes no more work. Drop the client then.
  void SayBye();

 private:
  AssignmentClient(boost::asio::any_io_executor executor, std::shared_ptr<amqp::Connection> connection,
                   std::string inbox, Consumer consumer, AssignmentHooks hooks);
  void Open();
  void Advance();
  void Arm();
  void Say(std::string_view type);
  void OnClosed(const Error& error);
  void OnBadAssignment(const Error& error);

  std::shared_ptr<amqp::Connection> connection_;
  const std::string inbox_;
  const Consumer consumer_;
  AssignmentHooks hooks_;
  boost::asio::steady_timer timer_;
  Dialogue dialogue_;
  std::shared_ptr<amqp::Channel> channel_;  ///< None, or closed, after a refusal.
  bool may_declare_ = true;
  bool declaring_ = false;       ///< No answer to that yet: if the channel closes, it is for that.
  bool declared_again_ = false;  ///< For this hello, which found the exchange gone.
  bool told_refusal_ = false, told_fault_ = false;
};

}  // namespace warren::control
