// Coverage: keeps the worker connected to one node of the cluster and consuming the right shards:
// connects, learns the node's name, looks at the stream every `refresh`, starts and stops
// consumers. What to hold is decided in assignment.h; what comes in goes to the JobRunner.
//
// Threads: everything on the worker's executor; readiness() from any.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "proxy/worker/cluster_view.h"
#include "proxy/worker/inbox.h"
#include "proxy/worker/job_runner.h"
#include "proxy/worker/shard_consumer.h"
#include "proxy/worker/worker.h"
#include "shardmgr/broker/amqp/link.h"
#include "shardmgr/plan/naming.h"
#include "shardmgr/program/failure_log.h"

namespace warren::worker {

class Coverage : public std::enable_shared_from_this<Coverage> {
 public:
  static std::shared_ptr<Coverage> Make(boost::asio::any_io_executor executor, WorkerOptions options, JobRunner& runner,
                                        WorkerMetrics& metrics);

  void Start();
  void SetAccepting(bool accepting);
  /// Closes the connection; `done` once the broker has answered that, within 2 s. Never called from inside Stop.
  void Stop(std::function<void()> done = {});

  bool idle() const;  ///< Consumes nothing, holds nothing and has sent all that it had to send.
  program::Readiness readiness() const;

 private:
  Coverage(boost::asio::any_io_executor executor, WorkerOptions options, JobRunner& runner, WorkerMetrics& metrics);

  void OnUp(const std::shared_ptr<amqp::Connection>& connection);
  void OnDown(const amqp::Endpoint& endpoint, const Error& error, bool was_up);
  void OpenInbox();
  void OnInbox(const Result<std::string>& queue);
  void FindNode();
  void AskForNode();
  void OnNode(std::string node);
  void ScheduleRefresh();
  void Refresh();
  void OnView(Result<StreamView> view);
  void LookWithoutApi();
  void YieldIdleShards();
  void WatchYielded(std::vector<std::string> left);
  void DeclarePassively(const std::string& queue, std::function<void(Result<amqp::QueueDeclared>)> done);
  void Probe(NameStyle style, int index, std::shared_ptr<std::vector<std::string>> found);
  void Hold(const std::vector<std::string>& wanted);
  void Consume(const std::string& shard, unsigned prefetch);
  void Release(const std::string& shard);
  void OnLost(const std::string& shard, const Error& error);
  std::vector<std::string> held() const;
  void Say(bool ready, std::string reason);

  boost::asio::any_io_executor executor_;
  WorkerOptions options_;
  JobRunner& runner_;
  WorkerMetrics& metrics_;
  std::unique_ptr<ClusterView> cluster_;
  std::unique_ptr<amqp::Link> link_;
  boost::asio::steady_timer timer_;
  std::mt19937 random_;

  std::shared_ptr<amqp::Connection> connection_;
  std::shared_ptr<amqp::Channel> control_;  ///< Probes.
  std::shared_ptr<Inbox> inbox_;            ///< Takes cancels; its queue's node is ours.
  /// When one is asked for again that this connection's node refused; none: it did not.
  std::chrono::steady_clock::time_point inbox_again_{};
  std::uint64_t epoch_ = 0;         ///< Counts connections: late answers of an earlier one are ignored.
  std::uint64_t asking_epoch_ = 0;  ///< The connection for which the management API is being asked; 0: none.
  Identity self_;                   ///< `node` is empty until it is known.
  std::map<std::string, std::shared_ptr<ShardConsumer>> consumers_;
  std::list<std::shared_ptr<ShardConsumer>> leaving_;  ///< Stopped, but still hold something.
  std::set<std::string> yielded_;                      ///< Idle shards that are let go of for a while.
  unsigned next_tag_ = 0;
  std::chrono::steady_clock::time_point next_probe_;   ///< For shards beyond those that are held.
  std::chrono::steady_clock::time_point eager_until_;  ///< A shard was lost: until then each refresh probes.
  bool accepting_ = true;
  bool stopped_ = false;
  std::function<void()> on_stopped_;
  std::string last_error_;
  std::map<std::string, std::string> refused_;  ///< Shard -> why it could not be consumed, until it can.
  program::FailureLog failures_;                ///< By endpoint.

  mutable std::mutex mutex_;
  program::Readiness readiness_{false, "not connected to the broker yet"};
};

}  // namespace warren::worker
