// Desk: what the gateway knows of the cluster, and who of its consumers consumes which shards.
//
//   look       names and shards from the management API, at events and every few seconds  -> StreamMap
//   links      a connection of the gateway's own to each node; one more for each virtual host with consumers. Says
//              whether the node is up, has the inbox for assignments, and makes sure that a shard is there
//   groups     consumers of one stream whose clients are connected to one node: one consumer to coordinators
//              (hello, kind "gateway"). What is assigned is shared out among them: local shards to each (or level
//              over them, --consume=one), those of nodes without a consumer to one of them each
//
// Without a coordinator a group covers its node, and those shards without consumers that it is the one to take.
//
// Threads: the desk runs on a thread of its own; its calls may come from any. Callbacks are posted to the executor
// given.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "policies/error.h"
#include "proxy/gateway/member.h"
#include "proxy/gateway/stream_map.h"
#include "shardmgr/broker/amqp/types.h"
#include "shardmgr/broker/management/client.h"

namespace prometheus {
class Registry;
}

namespace warren::gateway {

struct DeskOptions {
  std::vector<amqp::Endpoint> nodes;  ///< Upstreams, by index; at least one.
  amqp::Credentials credentials;      ///< The gateway's own.
  std::string vhost = "/";            ///< In which it keeps a link to each node from the start.
  std::string tls_ca_file;
  management::ClientOptions management;
  std::string instance;  ///< Unique name of this gateway.
  ConsumeMode consume = ConsumeMode::kAll;
  std::chrono::milliseconds refresh{5'000};  ///< Longest pause between looks.
};

class Desk {
 public:
  Desk(DeskOptions options, prometheus::Registry& registry);
  ~Desk();  ///< As Stop(); waits for a request to the management API that is under way.

  /// Looks and connects; `on_first_look` is posted once names are known.
  void Start(boost::asio::any_io_executor executor, std::function<void()> on_first_look);
  void Stop();  ///< Says bye, ends the thread. No callback comes after it returns, but those already posted.

  std::shared_ptr<const StreamMap> streams() const;
  std::string NodeName(std::size_t upstream) const;  ///< Empty: not known yet.
  bool NodeUp(std::size_t upstream) const;           ///< The desk's own link to it is open.

  /// `known`: the stream is there (it may have no shard that can be consumed just now).
  using OnShards = std::function<void(std::vector<std::string> queues, bool known)>;
  /// `on_shards` is posted soon, two seconds later at most, and at every change until Leave (one that was posted before
  /// may still come). Each queue was seen to be there, over a link to the member's node, when it was first named.
  MemberId Join(Member member, boost::asio::any_io_executor executor, OnShards on_shards);
  void Leave(MemberId member);
  /// The broker ended the member's consumer on `queue`. It is given again once it is seen to be there.
  void Lost(MemberId member, std::string queue);

  /// Nothing: names are known and a node can be reached. Else why not.
  Result<void> readiness() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace warren::gateway
