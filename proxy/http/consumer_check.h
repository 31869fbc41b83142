// ConsumerCheck: does any shard of the stream have a consumer? For --no-consumers=fail.
//
// Which queues are bound comes from the management API, asked by a thread of its own (it blocks); how
// many consumers each has comes from passive declares over AMQP, because the API's counts are up to 5 s
// old. An answer older than kMaxAge counts as "unknown", and unknown never makes a request fail.
//
// Threads: Start, Stop and the callback on the executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "shardmgr/broker/amqp/connection.h"
#include "shardmgr/broker/management/client.h"

namespace warren::proxy {

class ConsumerCheck {
 public:
  static constexpr std::chrono::seconds kPeriod{2};
  static constexpr std::chrono::seconds kMaxAge{5};

  /// `connection` gives an open connection or null; `on_change(none)` tells whether the stream is known
  /// to have no consumer.
  ConsumerCheck(boost::asio::any_io_executor executor, management::ClientOptions client, std::string vhost,
                std::string exchange, std::function<std::shared_ptr<amqp::Connection>()> connection,
                std::function<void(bool none)> on_change);
  ~ConsumerCheck();

  void Start();
  void Stop();

 private:
  using Queues = std::vector<std::string>;
  struct Round;

  void ListForEver();
  void Begin(Queues queues);
  void End(bool known, bool none);
  void Watchdog();

  boost::asio::any_io_executor executor_;
  management::Client client_;
  const std::string vhost_, exchange_;
  std::function<std::shared_ptr<amqp::Connection>()> connection_;
  std::function<void(bool)> on_change_;
  boost::asio::steady_timer watchdog_;
  std::shared_ptr<Round> round_;
  bool none_ = false;
  std::chrono::steady_clock::time_point known_at_{};
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stop_ = false;
};

}  // namespace warren::proxy
