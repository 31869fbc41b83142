// StreamApply: the actions of one stream, group by group. What apply.cc runs many of. Pool's thread.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <vector>

#include "coordinator/apply.h"
#include "coordinator/lane.h"

namespace warren::coordinator {

class StreamApply : public std::enable_shared_from_this<StreamApply> {
 public:
  using OnSuccess = std::function<void()>;
  using OnDone = std::function<void(StreamOutcome)>;

  /// `permit`: under which the plan was made. `one_by_one`: each action is a group of its own. `on_success` after each
  /// action that succeeded.
  StreamApply(NodePool& pool, Permit permit, const StreamPlan& plan, bool one_by_one, OnSuccess on_success,
              OnDone done);
  void Start();

 private:
  void RunGroup();
  std::size_t GroupEnd() const;
  bool GroupWasTried() const;
  void StartLane(const std::string& node, std::vector<std::size_t> indices);
  void Settle(std::size_t index, Result<void> result);
  void LaneDone();
  void Watch();
  void TimeOut();
  void Finish();

  NodePool& pool_;
  const Permit permit_;
  const std::vector<Action> actions_;
  const std::string user_;
  const bool one_by_one_;
  const OnSuccess on_success_;
  OnDone done_;
  boost::asio::steady_timer timer_;
  StreamOutcome outcome_;
  std::vector<std::shared_ptr<Lane>> lanes_;  ///< Of the group under way.
  std::size_t begin_ = 0, end_ = 0;           ///< The group under way.
  std::size_t lanes_left_ = 0;
  bool finished_ = false;
};

}  // namespace warren::coordinator
