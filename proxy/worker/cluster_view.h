// What a worker asks the management API, off its own thread: the node of a queue, the shards of the
// stream and the consumers on them.
//
// Calls come from one executor, and answers are posted back to it; the blocking HTTP client runs on
// one thread in here.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "policies/error.h"
#include "proxy/worker/coverage_rule.h"
#include "shardmgr/broker/management/client.h"

namespace warren::worker {

/// The stream as it is now.
struct StreamView {
  std::vector<SeenShard> shards;  ///< Queues bound to the stream's exchange, and those named as shards of it.
  std::vector<SeenConsumer> consumers;
};

class ClusterView {
 public:
  ClusterView(boost::asio::any_io_executor executor, management::ClientOptions options);
  ~ClusterView();  ///< Waits for the request that is under way, at most its timeout.

  /// The node on which `queue` lives.
  void FindNode(const std::string& vhost, const std::string& queue, std::function<void(Result<std::string>)> done);
  void Look(const std::string& vhost, const std::string& exchange, std::function<void(Result<StreamView>)> done);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace warren::worker
