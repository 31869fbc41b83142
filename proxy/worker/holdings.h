// Holdings: the shards that a worker consumes over one connection. Starts and stops their consumers as it is told,
// notices what is lost, and hands what is delivered to the JobRunner. Which shards those should be is not known here.
//
// Threads: everything on the worker's executor.
#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "proxy/worker/coverage_rule.h"
#include "proxy/worker/job_runner.h"
#include "proxy/worker/shard_consumer.h"

namespace warren::worker {

/// A shard that is not consumed, against what was wanted.
struct Loss {
  bool consumed = false;  ///< It was, until now; else the broker refused it.
  bool news = false;      ///< Not the same refusal of the same shard again.
};

class Holdings : public std::enable_shared_from_this<Holdings> {
 public:
  using OnLoss = std::function<void(const Loss& loss, const Error& error)>;

  /// `inbox`: as of ShardConsumer. `on_loss` is not called once the connection is given up.
  Holdings(std::shared_ptr<amqp::Connection> connection, std::shared_ptr<const std::string> inbox, unsigned concurrency,
           JobRunner& runner, WorkerMetrics& metrics, OnLoss on_loss);

  /// Consumes exactly what is wanted, each shard with its share of the concurrency (PrefetchPerShard). What was refused
  /// or lost is asked for again.
  void Hold(const Identity& self, const Wanted& wanted);
  /// Takes no more from this shard, and lets go of it when all that was delivered is answered.
  void Release(const std::string& shard);
  void ReleaseAll();
  /// Forgets those that are done.
  void Sweep();

  std::vector<std::string> held() const;
  bool holds(const std::string& shard) const { return consumers_.contains(shard); }
  std::size_t size() const { return consumers_.size(); }
  /// Whether the held shard has had nothing to do for this long.
  bool IsResting(const std::string& shard, std::chrono::steady_clock::duration time) const;
  bool idle() const;  ///< Consumes nothing, and holds nothing.

 private:
  bool HoldsOtherwise(const std::string& shard, unsigned prefetch) const;
  void Consume(const std::string& shard, const std::string& tag, unsigned prefetch);
  ShardConsumerHooks HooksOf(const std::string& shard, unsigned prefetch);
  void OnLost(const std::string& shard, const Error& error);
  void Count();

  std::shared_ptr<amqp::Connection> connection_;
  std::shared_ptr<const std::string> inbox_;
  const unsigned concurrency_;
  JobRunner& runner_;
  WorkerMetrics& metrics_;
  OnLoss on_loss_;
  std::map<std::string, std::shared_ptr<ShardConsumer>> consumers_;
  std::list<std::shared_ptr<ShardConsumer>> leaving_;  ///< Stopped, but still hold something.
  std::map<std::string, std::string> refused_;         ///< Shard -> why it could not be consumed, until it can.
  unsigned next_tag_ = 0;
};

}  // namespace warren::worker
