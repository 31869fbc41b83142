// Session: what a worker does over one connection. Opens the inbox, asks coordinators what to consume, decides which
// source counts (shard_source.h), and has its shards held:
//
//   1. a coordinator's assignment, as long as one is heard;
//   2. else the management API, where it is to be used;
//   3. else probes, where the node is known. Beside a management API that does not answer they stand in for it where
//      the node was named (--local-node) and nothing is held.
//
// What is held stays held when the source changes, until the new one says otherwise. A new connection is a new session.
//
// Threads: everything on the worker's executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "proxy/control/assignment_client.h"
#include "proxy/worker/cluster_view.h"
#include "proxy/worker/inbox.h"
#include "proxy/worker/shard_source.h"
#include "proxy/worker/worker.h"

namespace warren::worker {

/// What outlives the sessions of a worker.
struct SessionPlace {
  boost::asio::any_io_executor executor;
  const WorkerOptions& options;
  const std::string& instance;
  JobRunner& runner;
  WorkerMetrics& metrics;
  ClusterView* cluster = nullptr;  ///< None: the management API is not used.
  std::function<void(bool ready, std::string reason)> say;
};

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(SessionPlace place, std::shared_ptr<amqp::Connection> connection, bool accepting);

  void Start();
  void SetAccepting(bool accepting);
  /// What is to be done now and then: each `refresh`.
  void Refresh();
  bool idle() const;  ///< Consumes nothing, holds nothing and has sent all that it had to send.
  const std::shared_ptr<amqp::Connection>& connection() const { return standpoint_->connection; }

 private:
  void OpenInbox();
  void OnInbox(const Result<std::string>& queue);
  void OnInboxLost();
  void AskCoordinators();
  void OnAssignment(const Assignment& assignment);
  void FallBack();
  void LookUp();
  void StandIn();
  std::shared_ptr<ShardSource> Prober();
  void Follow(std::shared_ptr<ShardSource> source);
  void Announce(SourceKind source);
  void Show(std::optional<SourceKind> source);
  SourceHooks HooksOf();
  void SetNode(std::string node);
  void Hold(const Wanted& wanted);
  void OnLoss(const Loss& loss, const Error& error);

  SessionPlace place_;
  bool accepting_;
  std::shared_ptr<Standpoint> standpoint_;
  std::shared_ptr<Inbox> inbox_;
  std::chrono::steady_clock::time_point inbox_opened_{};
  /// When one is asked for again that this connection's node refused; none: it did not.
  std::chrono::steady_clock::time_point inbox_again_{};
  std::shared_ptr<control::AssignmentClient> coordinators_;  ///< While it accepts work and has an inbox.
  std::shared_ptr<ShardSource> source_;                      ///< None: nobody has said yet what to consume.
  std::shared_ptr<ShardSource> stand_in_;                    ///< For `source_`, until that can tell again.
  std::optional<SourceKind> shown_;                          ///< The source, as log and metrics have it.
  bool silent_ = false;                                      ///< No coordinator assigned, when last one was asked.
};

}  // namespace warren::worker
