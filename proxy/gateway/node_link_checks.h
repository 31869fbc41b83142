// ShardChecks: which queues were seen to be there over one connection, by declaring them passively. The broker closes
// the channel on which it says no, so each question has a channel of its own; so many are asked at a time.
//
// What was seen holds until it is taken back (Lost, Doubt, Keep) or the connection ends. A queue that was not there may
// be asked for again after a pause that grows.
//
// Threads: everything on the connection's executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "proxy/gateway/groups.h"
#include "shardmgr/broker/amqp/connection.h"

namespace warren::gateway {

class ShardChecks : public std::enable_shared_from_this<ShardChecks> {
 public:
  static constexpr std::size_t kAtOnce = 8;
  static constexpr std::chrono::milliseconds kFirstPause{200};
  static constexpr std::chrono::milliseconds kLongestPause{2'000};
  static constexpr std::chrono::milliseconds kLongestAnswer{5'000};

  /// `on_change`: what Of says of the queue may be something else now, or it may be asked for again.
  ShardChecks(boost::asio::any_io_executor executor, std::function<void(const std::string& queue)> on_change)
      : executor_(std::move(executor)), on_change_(std::move(on_change)), timer_(executor_) {}

  /// What was known is forgotten. Null: nothing is asked.
  void SetConnection(std::shared_ptr<amqp::Connection> connection);

  /// Whether it is there, and asks when it is not known to be and the last answer is old enough.
  Presence Of(const std::string& queue);
  /// A consumer on it was ended.
  void Lost(const std::string& queue);
  /// Those for which `doubted` is true, and that were there, have to be asked for again.
  void Doubt(const std::function<bool(const std::string& queue)>& doubted);
  /// Forgets what was seen of queues for which `keep` is false.
  void Keep(const std::function<bool(const std::string& queue)>& keep);

 private:
  using Clock = std::chrono::steady_clock;
  struct Entry {
    Presence presence = Presence::kUnknown;
    bool waiting = false;  ///< To be asked for, or asked for.
    Clock::time_point not_before{};
    Clock::time_point since{};  ///< It was seen to be there.
    std::chrono::milliseconds pause{0};
    std::shared_ptr<amqp::Channel> channel;  ///< On which it is asked for.
    std::unique_ptr<boost::asio::steady_timer> deadline;
  };

  void Advance();
  void Begin(const std::string& queue, Entry& entry);
  void End(const std::string& queue, const amqp::Channel* channel, bool there);
  void Fail(const std::string& queue, Entry& entry);
  void Arm();

  boost::asio::any_io_executor executor_;
  const std::function<void(const std::string&)> on_change_;
  boost::asio::steady_timer timer_;  ///< For `later_`.
  std::shared_ptr<amqp::Connection> connection_;
  std::map<std::string, Entry> entries_;
  std::deque<std::string> next_;
  std::multimap<Clock::time_point, std::string> later_;  ///< May be asked for again.
  std::size_t asking_ = 0;
};

}  // namespace warren::gateway
