// See apply.h.
#include "coordinator/apply.h"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <condition_variable>
#include <mutex>

namespace warren::coordinator {
namespace {

constexpr std::size_t kStreamsAtOnce = 32;
constexpr std::chrono::seconds kStreamTimeout{30};
constexpr std::chrono::milliseconds kStopCheck{100};
constexpr ActionKind kPhases[] = {ActionKind::kDeclareDeadLetterExchange, ActionKind::kDeclareShard,
                                  ActionKind::kBindShard};

amqp::QueueDeclare Declaration(const Action& action) {
  amqp::QueueDeclare queue;
  queue.name = action.queue;
  queue.durable = action.declare_as.durable;
  queue.arguments = amqp::Table::FromJson(action.declare_as.arguments);
  queue.arguments.Set("x-queue-type", action.declare_as.type == QueueType::kQuorum ? "quorum" : "classic");
  return queue;
}

/// The actions of one stream. Everything runs on the pool's thread.
class StreamApply : public std::enable_shared_from_this<StreamApply> {
 public:
  StreamApply(NodePool& pool, const StreamPlan& plan, std::function<void(StreamOutcome)> done)
      : pool_(pool), actions_(plan.actions), done_(std::move(done)), timer_(pool.executor()) {
    outcome_.vhost = plan.vhost;
    outcome_.exchange = plan.exchange;
    for (const Action& action : actions_) outcome_.actions.push_back({action.kind, action.ToString(), false, {}});
  }

  void Start() {
    timer_.expires_after(kStreamTimeout);
    timer_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
      if (!error) self->TimeOut();
    });
    RunPhase(0);
  }

 private:
  void RunPhase(std::size_t phase) {
    if (phase == std::size(kPhases) || outcome_.failure() != nullptr) return Finish();
    std::map<std::string, std::vector<std::size_t>> by_node;
    std::string bind_node;  // Binds go through one connection, whatever their queues' nodes are.
    for (std::size_t i = 0; i < actions_.size(); ++i) {
      if (actions_[i].kind != kPhases[phase]) continue;
      if (bind_node.empty()) bind_node = actions_[i].node;
      by_node[actions_[i].kind == ActionKind::kBindShard ? bind_node : actions_[i].node].push_back(i);
    }
    if (by_node.empty()) return RunPhase(phase + 1);
    phase_ = phase;
    pending_ = 0;
    for (const auto& [node, indices] : by_node) pending_ += indices.size();
    for (const auto& [node, indices] : by_node) {
      pool_.Get(node, outcome_.vhost,
                [self = shared_from_this(), indices](Result<std::shared_ptr<amqp::Connection>> connection) {
                  self->Send(connection, indices);
                });
    }
  }

  void Send(const Result<std::shared_ptr<amqp::Connection>>& connection, const std::vector<std::size_t>& indices) {
    if (finished_) return;
    if (!connection) {
      for (const std::size_t index : indices) Settle(index, tl::unexpected(connection.error()));
      return;
    }
    auto channel = (*connection)->OpenChannel();
    auto left = std::make_shared<std::size_t>(indices.size());
    channels_.push_back(channel);
    for (const std::size_t index : indices) {
      Issue(*channel, index, [self = shared_from_this(), channel, left, index](Result<void> result) {
        if (--*left == 0 && channel->is_open()) channel->Close();
        self->Settle(index, std::move(result));
      });
    }
  }

  void Issue(amqp::Channel& channel, std::size_t index, std::function<void(Result<void>)> done) {
    const Action& action = actions_[index];
    switch (action.kind) {
      case ActionKind::kDeclareDeadLetterExchange:
        return channel.DeclareExchange({.name = action.exchange, .type = "headers", .durable = true}, std::move(done));
      case ActionKind::kDeclareShard:
        return channel.DeclareQueue(Declaration(action),
                                    [done = std::move(done)](const Result<amqp::QueueDeclared>& declared) {
                                      done(declared ? Result<void>{} : tl::unexpected(declared.error()));
                                    });
      case ActionKind::kBindShard:
        return channel.BindQueue(action.queue, action.exchange, action.routing_key, {}, std::move(done));
    }
  }

  void Settle(std::size_t index, Result<void> result) {
    if (finished_) return;
    outcome_.actions[index].attempted = true;
    outcome_.actions[index].result = std::move(result);
    if (--pending_ > 0) return;
    boost::asio::post(pool_.executor(), [self = shared_from_this()] {
      self->channels_.clear();
      self->RunPhase(self->phase_ + 1);
    });
  }

  void TimeOut() {
    if (finished_) return;
    for (ActionOutcome& action : outcome_.actions) {
      if (action.attempted || action.kind != kPhases[phase_]) continue;
      action.attempted = true;
      action.result = Fail(ErrorCode::kTimeout, "the broker did not answer within 30 s");
    }
    Finish();
  }

  void Finish() {
    if (std::exchange(finished_, true)) return;
    timer_.cancel();
    for (const auto& channel : channels_) {
      if (channel->is_open()) channel->Close();
    }
    channels_.clear();
    done_(std::move(outcome_));
  }

  NodePool& pool_;
  std::vector<Action> actions_;
  std::function<void(StreamOutcome)> done_;
  boost::asio::steady_timer timer_;
  std::vector<std::shared_ptr<amqp::Channel>> channels_;
  StreamOutcome outcome_;
  std::size_t phase_ = 0;
  std::size_t pending_ = 0;
  bool finished_ = false;
};

/// All streams of one Apply; shared with the pool's thread, and outlives an Apply that was stopped.
struct Batch : std::enable_shared_from_this<Batch> {
  explicit Batch(NodePool& node_pool) : pool(node_pool) {}

  /// On the pool's thread.
  void StartNext() {
    if (next == streams.size()) return;
    const std::size_t index = next++;
    std::make_shared<StreamApply>(pool, streams[index], [self = shared_from_this()](StreamOutcome outcome) {
      {
        const std::lock_guard lock(self->mutex);
        self->outcomes.push_back(std::move(outcome));
      }
      self->done.notify_one();
      self->StartNext();
    })->Start();
  }

  NodePool& pool;
  std::vector<StreamPlan> streams;
  std::size_t next = 0;
  std::mutex mutex;
  std::condition_variable done;
  std::vector<StreamOutcome> outcomes;
};

}  // namespace

const ActionOutcome* StreamOutcome::failure() const {
  for (const ActionOutcome& action : actions) {
    if (action.attempted && !action.result) return &action;
  }
  return nullptr;
}

std::size_t StreamOutcome::succeeded() const {
  std::size_t count = 0;
  for (const ActionOutcome& action : actions) count += action.attempted && action.result ? 1 : 0;
  return count;
}

std::vector<StreamOutcome> Apply(NodePool& pool, const Plan& plan, const std::function<bool()>& stopped) {
  auto batch = std::make_shared<Batch>(pool);
  for (const StreamPlan& stream : plan.streams) {
    if (!stream.actions.empty()) batch->streams.push_back(stream);
  }
  const std::size_t total = batch->streams.size();
  boost::asio::post(pool.executor(), [batch] {
    for (std::size_t i = 0; i < kStreamsAtOnce; ++i) batch->StartNext();
  });
  std::unique_lock lock(batch->mutex);
  while (batch->outcomes.size() < total && !stopped()) batch->done.wait_for(lock, kStopCheck);
  return std::move(batch->outcomes);
}

}  // namespace warren::coordinator
