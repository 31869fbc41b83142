// Lane: some actions of one stream, in order, over channels of one connection. What apply.cc is made of.
//
// Pipelined, but for deletes. A channel that the broker closes takes the calls behind the culprit with it;
// they are issued again on a fresh channel: after an unbind or a delete of what is not there, which is a
// success, and after a declare or a delete that failed, which says nothing of the other queues. Any other
// failure ends the lane, and what is behind it stays untried. So does a permit that holds no longer, which is asked
// before anything is sent: by the broker's fresh word before something is taken away. Everything on the pool's thread.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "coordinator/node_pool.h"
#include "coordinator/warrant.h"
#include "shardmgr/plan/plan.h"

namespace warren::coordinator {

class Lane : public std::enable_shared_from_this<Lane> {
 public:
  struct Handlers {
    std::function<void(std::size_t index, Result<void>)> on_result;  ///< Of actions[index]; in order.
    std::function<void()> on_done;                                   ///< Once, last.
  };

  /// `indices` into `actions`, all of one kind. `actions` outlives the lane.
  Lane(NodePool& pool, Permit permit, ConnectionName connection, const std::vector<Action>& actions,
       std::vector<std::size_t> indices, Handlers handlers);
  void Start();
  void Abandon();  ///< No more callbacks; closes its channel.

 private:
  using Done = std::function<void(Result<void>)>;

  void Continue();
  void SendIfAllowed(const std::shared_ptr<amqp::Connection>& connection);
  void Send(const std::shared_ptr<amqp::Connection>& connection);
  void Issue(const Action& action, Done done);
  void DeleteQueue(const Action& action, Done done);
  void OnResult(std::uint64_t epoch, Result<void> result);
  void End();

  NodePool& pool_;
  const Permit permit_;
  const ConnectionName name_;
  const std::vector<Action>& actions_;
  const std::vector<std::size_t> indices_;
  Handlers handlers_;
  std::shared_ptr<amqp::Connection> connection_;
  std::shared_ptr<amqp::Channel> channel_;
  std::size_t next_ = 0;     ///< The first that has no result.
  std::uint64_t epoch_ = 0;  ///< Answers of channels that were given up do not count.
  bool ended_ = false;
};

/// Whether `error` says that the thing an unbind or a delete is about is not there. A queue whose home node
/// is down answers 404 as well, and is there.
bool IsGone(const Error& error);

}  // namespace warren::coordinator
