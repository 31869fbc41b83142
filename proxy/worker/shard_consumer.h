// One consumed shard: a channel of its own, so that an error about one queue (its node died, it
// was deleted) leaves what other shards delivered alone. Replies and acks share that channel: the
// broker sees a reply before the ack that lets the request go.
//
// Threads: everything on the connection's executor.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "policies/error.h"
#include "proxy/wire/message.h"
#include "proxy/worker/redelivery_flag.h"
#include "shardmgr/broker/amqp/connection.h"

namespace warren::worker {

class JobSource;

/// A request that was delivered and is not yet acked.
struct Job {
  std::shared_ptr<JobSource> source;
  std::uint64_t delivery_tag = 0;
  bool redelivered = false;
  std::string correlation_id;
  std::string reply_to;
  wire::Request request;
  bool first = false;  ///< Certainly its first delivery. Neither this nor redelivered: the broker may have forgotten.
};

/// Where a job came from, and where its answer goes. Tests stand in for it.
class JobSource {
 public:
  virtual ~JobSource() = default;

  virtual const std::string& shard() const = 0;
  /// False once the broker has requeued what was not acked.
  virtual bool is_open() const = 0;
  /// Publishes the response and acks; does nothing when the source is no longer open. A response
  /// that does not fit one frame becomes a 502; the status sent is returned.
  virtual int Answer(const Job& job, const wire::Response& response) = 0;
  /// Acks without an answer.
  virtual void Drop(const Job& job) = 0;
  /// Tells the proxy that the job is in work, and by which name it is cancelled. False where nothing can be cancelled.
  virtual bool Accept(const Job& job, std::string_view attempt) = 0;
  /// Asks the proxy whether the job may be run. False where that cannot be asked now.
  virtual bool Claim(const Job& job, std::string_view attempt) = 0;
};

struct ShardConsumerHooks {
  std::function<void(Job)> on_job;
  std::function<void()> on_consuming;  ///< The broker has agreed to the consumer.
  /// A message that is no request; it has been dealt with.
  std::function<void(const Error&)> on_malformed;
  /// Nobody waits for what was claimed: the reply queue is gone.
  std::function<void(std::string_view correlation_id, std::string_view attempt)> on_unwanted;
  /// It no longer consumes and never will: refused, cancelled by the broker, or the channel closed. Once.
  std::function<void(const Error&)> on_lost;
};

class ShardConsumer final : public JobSource, public std::enable_shared_from_this<ShardConsumer> {
 public:
  /// `inbox`: the connection's queue for http.cancel and http.grant; empty as long as there is none.
  ShardConsumer(std::shared_ptr<amqp::Connection> connection, std::string shard,
                std::shared_ptr<const std::string> inbox, ShardConsumerHooks hooks);

  void Start(const std::string& tag, unsigned prefetch);
  /// Takes no more; what is held may still be answered, then the channel closes. No on_lost.
  void Stop();

  int Answer(const Job& job, const wire::Response& response) override;
  void Drop(const Job& job) override;
  bool Accept(const Job& job, std::string_view attempt) override;
  bool Claim(const Job& job, std::string_view attempt) override;
  const std::string& shard() const override { return shard_; }
  bool is_open() const override { return channel_->is_open(); }

  std::size_t held() const { return held_; }
  unsigned prefetch() const { return prefetch_; }                                         ///< As it was started with.
  std::chrono::steady_clock::time_point last_delivery() const { return last_delivery_; }  ///< Or the start.
  bool consuming() const { return consuming_; }  ///< Whether the broker ever agreed to the consumer.
  /// Nothing held, and nothing more to come.
  bool finished() const { return cancelled_ && held_ == 0; }

 private:
  void OnDelivery(amqp::Delivery& delivery);
  bool GiveBack(const amqp::Delivery& delivery, const Job& job);
  void OnLost(const Error& error);
  bool CanTell(const Job& job) const;
  void Done(std::uint64_t delivery_tag);
  void Refuse(const amqp::Delivery& delivery, const Error& error);

  std::shared_ptr<amqp::Connection> connection_;
  std::shared_ptr<amqp::Channel> channel_;
  std::string shard_;
  std::string tag_;
  unsigned prefetch_ = 0;
  std::shared_ptr<const std::string> inbox_;
  ShardConsumerHooks hooks_;
  wire::ResponseEncoder encoder_;
  RedeliveryFlag flag_;
  std::size_t held_ = 0;
  std::chrono::steady_clock::time_point last_delivery_;
  bool stopping_ = false;
  bool consuming_ = false;
  bool cancelled_ = false;
};

/// A short plain-text response of the worker's own making.
wire::Response PlainResponse(int status, std::string_view text);

}  // namespace warren::worker
