// See lane.h.
#include "coordinator/lane.h"

#include <boost/asio/post.hpp>

namespace warren::coordinator {
namespace {

bool Pipelined(ActionKind kind) { return kind != ActionKind::kDeleteShard; }

/// Something goes: if it is not there, that is as good as taken away; and it may be wanted again by now, so it is never
/// done on old knowledge of who leads.
bool TakesAway(ActionKind kind) {
  return kind == ActionKind::kUnbindShard || kind == ActionKind::kUnbindExchange ||
         kind == ActionKind::kUnmarkDraining || kind == ActionKind::kDeleteShard ||
         kind == ActionKind::kDeleteShardExchange;
}

/// Whether the failure of one says nothing of the next.
bool Independent(ActionKind kind) {
  return kind == ActionKind::kDeclareShard || kind == ActionKind::kDeleteShard ||
         kind == ActionKind::kDeleteShardExchange;
}

amqp::ExchangeDeclare DeclarationOfExchange(const Action& action) {
  const Exchange wanted = ShardExchange(action.vhost, action.exchange);
  amqp::ExchangeDeclare exchange{.name = wanted.name, .type = wanted.type, .durable = true};
  exchange.internal = wanted.internal;
  exchange.arguments = amqp::Table::FromJson(wanted.arguments);
  return exchange;
}

amqp::QueueDeclare Declaration(const Action& action) {
  amqp::QueueDeclare queue;
  queue.name = action.queue;
  queue.durable = action.declare_as.durable;
  queue.arguments = amqp::Table::FromJson(action.declare_as.arguments);
  queue.arguments.Set("x-queue-type", action.declare_as.type == QueueType::kQuorum ? "quorum" : "classic");
  return queue;
}

/// The answer without its value.
template <class T>
std::function<void(Result<T>)> Plain(std::function<void(Result<void>)> done) {
  return [done = std::move(done)](const Result<T>& answer) {
    done(answer ? Result<void>{} : tl::unexpected(answer.error()));
  };
}

Error InUse(const amqp::QueueDeclared& queue) {
  return {ErrorCode::kConflict,
          "is in use: it holds " + std::to_string(queue.messages) + " messages and has " +
              std::to_string(queue.consumers) + " consumers",
          "queue '" + queue.name + "'"};
}

}  // namespace

bool IsGone(const Error& error) {
  return error.code == ErrorCode::kNotFound && error.message.find("is down or inaccessible") == std::string::npos;
}

Lane::Lane(NodePool& pool, Permit permit, ConnectionName connection, const std::vector<Action>& actions,
           std::vector<std::size_t> indices, Handlers handlers)
    : pool_(pool),
      permit_(permit),
      name_(std::move(connection)),
      actions_(actions),
      indices_(std::move(indices)),
      handlers_(std::move(handlers)) {}

void Lane::Start() { Continue(); }

void Lane::Abandon() {
  ended_ = true;
  handlers_ = {};
  ++epoch_;
  if (channel_ && channel_->is_open()) channel_->Close();
  channel_ = nullptr;
  connection_ = nullptr;
}

void Lane::Continue() {
  if (ended_) return;
  if (next_ == indices_.size()) return End();
  pool_.Get(name_, [self = shared_from_this()](const Result<std::shared_ptr<amqp::Connection>>& connection) {
    if (self->ended_) return;
    if (connection) return self->SendIfAllowed(*connection);
    self->handlers_.on_result(self->indices_[self->next_++], tl::unexpected(connection.error()));
    self->End();
  });
}

void Lane::SendIfAllowed(const std::shared_ptr<amqp::Connection>& connection) {
  permit_.Confirm(TakesAway(actions_[indices_[next_]].kind), [self = shared_from_this(), connection](bool holds) {
    if (self->ended_) return;
    holds ? self->Send(connection) : self->End();
  });
}

void Lane::Send(const std::shared_ptr<amqp::Connection>& connection) {
  if (!channel_ || !channel_->is_open()) {
    connection_ = connection;
    channel_ = connection->OpenChannel();
  }
  const std::size_t end = Pipelined(actions_[indices_[next_]].kind) ? indices_.size() : next_ + 1;
  const std::uint64_t epoch = ++epoch_;
  for (std::size_t i = next_; i < end; ++i) {
    Issue(actions_[indices_[i]],
          [self = shared_from_this(), epoch](Result<void> result) { self->OnResult(epoch, std::move(result)); });
  }
}

void Lane::Issue(const Action& action, Done done) {
  switch (action.kind) {
    case ActionKind::kDeclareDeadLetterExchange:
      return channel_->DeclareExchange({.name = action.exchange, .type = "headers", .durable = true}, std::move(done));
    case ActionKind::kDeclareDrainExchange:
      return channel_->DeclareExchange({.name = action.exchange, .type = "direct", .durable = true}, std::move(done));
    case ActionKind::kDeclareShardExchange:
      return channel_->DeclareExchange(DeclarationOfExchange(action), std::move(done));
    case ActionKind::kDeclareShard:
      return channel_->DeclareQueue(Declaration(action), Plain<amqp::QueueDeclared>(std::move(done)));
    case ActionKind::kMarkDraining:
      return channel_->BindQueue(action.queue, kDrainExchange, action.routing_key, {}, std::move(done));
    case ActionKind::kBindExchange:
      return channel_->BindExchange(action.queue, action.exchange, action.routing_key, {}, std::move(done));
    case ActionKind::kUnbindExchange:
      if (!action.arguments.empty()) {
        channel_->UnbindExchange(action.queue, action.exchange, action.routing_key,
                                 amqp::Table::FromJsonNarrow(action.arguments), [](const Result<void>&) {});
      }
      return channel_->UnbindExchange(action.queue, action.exchange, action.routing_key,
                                      amqp::Table::FromJson(action.arguments), std::move(done));
    case ActionKind::kDeleteShardExchange: return channel_->DeleteExchange(action.exchange, true, std::move(done));
    case ActionKind::kUnbindShard:
      // The API does not tell how the client wrote its integers, and the broker takes what is not there as done.
      if (!action.arguments.empty()) {
        channel_->UnbindQueue(action.queue, action.exchange, action.routing_key,
                              amqp::Table::FromJsonNarrow(action.arguments), [](const Result<void>&) {});
      }
      return channel_->UnbindQueue(action.queue, action.exchange, action.routing_key,
                                   amqp::Table::FromJson(action.arguments), std::move(done));
    case ActionKind::kBindShard:
      return channel_->BindQueue(action.queue, action.exchange, action.routing_key, {}, std::move(done));
    case ActionKind::kUnmarkDraining:
      return channel_->UnbindQueue(action.queue, kDrainExchange, action.routing_key, {}, std::move(done));
    case ActionKind::kDeleteShard: return DeleteQueue(action, std::move(done));
  }
}

/// Classic queues check for themselves. Quorum queues refuse if-empty and if-unused (rabbitmq-server #10543), so
/// the look and the delete are two steps.
void Lane::DeleteQueue(const Action& action, Done done) {
  if (action.declare_as.type == QueueType::kClassic)
    return channel_->DeleteQueue(action.queue, true, true, Plain<std::uint32_t>(std::move(done)));
  amqp::QueueDeclare look;
  look.name = action.queue;
  look.passive = true;
  channel_->DeclareQueue(look, [self = shared_from_this(), channel = channel_, queue = action.queue,
                                done = std::move(done)](const Result<amqp::QueueDeclared>& seen) {
    if (!seen) return done(tl::unexpected(seen.error()));
    if (seen->messages > 0 || seen->consumers > 0) return done(tl::unexpected(InUse(*seen)));
    // The answer may be an old one: a process that was stopped reads it when it goes on.
    self->permit_.Confirm(true, [channel, queue, done](bool holds) {
      if (!holds) return done(Fail(ErrorCode::kUnavailable, "the lead was lost before it", "deleting " + queue));
      channel->DeleteQueue(queue, false, false, Plain<std::uint32_t>(done));
    });
  });
}

void Lane::OnResult(std::uint64_t epoch, Result<void> result) {
  if (ended_ || epoch != epoch_) return;
  const std::size_t index = indices_[next_++];
  const ActionKind kind = actions_[index].kind;
  const bool refused = !result && !(TakesAway(kind) && IsGone(result.error()));
  const bool answered = result.has_value();
  const auto handlers = handlers_;
  handlers.on_result(index, refused ? std::move(result) : Result<void>{});
  if (ended_) return;
  const bool connected = connection_ && connection_->is_open();
  if (refused && !(Independent(kind) && connected)) return End();
  if (answered && Pipelined(kind) && next_ < indices_.size()) return;  // The next answer is on its way.
  ++epoch_;
  if (next_ == indices_.size()) return End();
  // Not from within the answer: the channel may be about to close.
  boost::asio::post(pool_.executor(), [self = shared_from_this()] { self->Continue(); });
}

void Lane::End() {
  if (std::exchange(ended_, true)) return;
  if (channel_ && channel_->is_open()) channel_->Close();
  // A channel must not go while it is calling us.
  boost::asio::post(pool_.executor(), [channel = std::move(channel_), connection = std::move(connection_)] {});
  const auto done = std::exchange(handlers_, {}).on_done;
  done();
}

}  // namespace warren::coordinator
