// InboxFinder: asks the management API for the queues that consumers name as their inboxes: on which node they are, and
// whether they are somebody's own. A few at a time, on threads of its own, since each request blocks.
//
// Threads: Ask on the executor, which also runs `done`.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <memory>
#include <string>

#include "shardmgr/broker/management/client.h"

namespace warren::coordinator {

class InboxFinder {
 public:
  static constexpr std::size_t kMostAtOnce = 16;

  InboxFinder(boost::asio::any_io_executor executor, management::ClientOptions options);
  /// Waits for the requests under way, for some seconds at most; nobody is told what came of them.
  ~InboxFinder();

  bool busy() const { return asked_ >= kMostAtOnce; }
  /// Not while busy.
  void Ask(const std::string& vhost, const std::string& queue, std::function<void(const Result<Queue>&)> done);

 private:
  boost::asio::any_io_executor executor_;
  management::Client client_;
  std::size_t asked_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  boost::asio::thread_pool threads_;
};

}  // namespace warren::coordinator
