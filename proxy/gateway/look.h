// Look: reads queues and bindings of the whole cluster from the management API, again and again (look_pace.h), and
// makes a StreamMap of each reading. The blocking HTTP client runs on a thread in here.
//
// Threads: calls and hooks on one executor. The destructor waits for a request that is under way.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "policies/error.h"
#include "proxy/gateway/stream_map.h"
#include "shardmgr/broker/management/client.h"

namespace warren::gateway {

using QueueKey = std::pair<std::string, std::string>;  // virtual host, name

/// What one look saw.
struct Sight {
  std::shared_ptr<const StreamMap> streams;
  std::map<QueueKey, std::string> nodes;  ///< Of those of the inboxes that were there.
};

class Look {
 public:
  struct Hooks {
    std::function<std::set<QueueKey>()> inboxes;  ///< Queues whose nodes are of interest.
    std::function<void(Sight)> on_sight;
    std::function<void(const Error&)> on_failure;
  };

  Look(boost::asio::any_io_executor executor, management::ClientOptions options, std::chrono::milliseconds refresh,
       Hooks hooks);
  ~Look();

  void Start();
  void Soon();  ///< Something has changed.
  void Stop();  ///< No more looks, and no more calls of hooks.

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace warren::gateway
