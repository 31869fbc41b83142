// basic.get, passive queue.declare and queue.purge of a stream: one method of the client, several upstream, on the
// client's own channel and so with the client's own permissions.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "proxy/gateway/conversation_impl.h"

namespace warren::gateway {

void Conversation::Impl::Expect(Channel& channel, Expected expected) {
  channel.expected.push_back(std::move(expected));
  Reserve(sizeof(Expected));
}

/// What the gateway says on its own comes after the answers that the broker still owes: those to an unchanged qos tells
/// when they have come.
void Conversation::Impl::AfterReplies(Channel& channel, std::string frames) {
  std::string qos;
  AppendQos(qos, channel.number, channel.broker_prefetch);
  InsertToBroker(channel, qos);
  Expect(channel, {Expected::Reply::kQos, true, nullptr, std::move(frames)});
}

/// Local shards in turn, then those that nobody was seen to consume, then the others: what was seen may be old. One at
/// a time: each may have a message.
void Conversation::Impl::StartGet(Channel& channel, const SeenStream& stream, std::string name, bool no_ack) {
  auto get = std::make_shared<Operation>();
  get->name = std::move(name);
  get->exchange = stream.exchange;
  get->bit = no_ack;
  const std::string node = outside_.node();
  std::array<std::vector<std::string>, 3> ranks;
  for (const SeenShard& shard : stream.shards) {
    if (!shard.up) continue;
    const std::size_t remote_rank = shard.consumers.value_or(0) == 0 ? 1 : 2;
    ranks[shard.node == node ? 0 : remote_rank].push_back(shard.queue);
  }
  const std::size_t turn = channel.get_turn++;
  for (std::vector<std::string>& queues : ranks) {
    if (queues.empty()) continue;
    std::rotate(queues.begin(), queues.begin() + static_cast<long>(turn % queues.size()), queues.end());
    get->queues.insert(get->queues.end(), queues.begin(), queues.end());
  }
  if (get->queues.empty()) {
    std::string empty;
    AppendGetEmpty(empty, channel.number);
    return AfterReplies(channel, std::move(empty));
  }
  AppendGet(out_->to_broker, channel.number, get->queues.front(), get->bit);
  channel.getting = get;
  getting_ = channel.number;
  Expect(channel, {Expected::Reply::kGet, true, std::move(get), {}});
}

void Conversation::Impl::OnGetReply(Channel& channel, const Seen& seen, std::shared_ptr<Operation> operation) {
  const bool empty = seen.method == AMQP_BASIC_GET_EMPTY_METHOD;
  if (empty && operation->queues.size() > 1) {
    operation->queues.erase(operation->queues.begin());
    std::string get;
    AppendGet(get, channel.number, operation->queues.front(), operation->bit);
    InsertToBroker(channel, get);
    Expect(channel, {Expected::Reply::kGet, true, std::move(operation), {}});
    return Swallow(Side::kBroker);
  }
  channel.getting = nullptr;
  getting_ = 0;
  Pass(seen, Side::kBroker);
}

void Conversation::Impl::StartSum(Channel& channel, Operation::Kind kind, const SeenStream& stream, std::string name,
                                  bool no_wait) {
  auto sum = std::make_shared<Operation>();
  sum->kind = kind;
  sum->name = std::move(name);
  sum->exchange = stream.exchange;
  sum->bit = no_wait;
  const bool declare = kind == Operation::Kind::kDeclare;
  for (const SeenShard& shard : stream.shards) {
    if (!shard.up) continue;
    if (declare) {
      AppendPassiveDeclare(out_->to_broker, channel.number, shard.queue);
    } else {
      AppendPurge(out_->to_broker, channel.number, shard.queue);
    }
    Expect(channel, {declare ? Expected::Reply::kDeclare : Expected::Reply::kPurge, true, sum, {}});
    ++sum->waiting;
  }
  if (sum->waiting > 0) return;
  RefuseChannel(channel, AMQP_NOT_FOUND,
                fmt::format("NOT_FOUND - no shard of stream '{}' can be reached for queue '{}' in vhost '{}'",
                            stream.exchange, sum->name, vhost_),
                declare ? AMQP_QUEUE_DECLARE_METHOD : AMQP_QUEUE_PURGE_METHOD);
}

/// For an exclusive consumer that does not acknowledge: what one shard delivers is gone for the broker, and would be
/// lost were another refused. So it is asked first whether somebody consumes any of them.
void Conversation::Impl::StartCheck(Channel& channel, StreamConsumer& consumer,
                                    const std::vector<std::string>& queues) {
  if (queues.empty() || client_raw_) return;
  auto check = std::make_shared<Operation>();
  check->kind = Operation::Kind::kCheck;
  check->name = consumer.name;
  check->exchange = consumer.exchange;
  check->consumer = consumer.id;
  check->waiting = queues.size();
  std::string frames;
  for (const std::string& queue : queues) {
    AppendPassiveDeclare(frames, channel.number, queue);
    Expect(channel, {Expected::Reply::kDeclare, true, check, {}});
  }
  InsertToBroker(channel, frames);
  channel.shard_declared = true;
  ++consumer.checks;
}

void Conversation::Impl::OnChecked(Channel& channel, const Operation& check) {
  // To the broker the empty name is a shard's now.
  if (channel.last_declared.empty()) channel.last_declared = channel.own_declared;
  StreamConsumer* consumer = Find(check.consumer);
  if (consumer == nullptr || consumer->left) return;
  --consumer->checks;
  if (check.consumers == 0) return Advance(*consumer);
  RefuseChannel(channel, AMQP_ACCESS_REFUSED,
                fmt::format("ACCESS_REFUSED - queue '{}' in vhost '{}' in exclusive use", check.name, vhost_),
                AMQP_BASIC_CONSUME_METHOD);
}

void Conversation::Impl::OnSumReply(Channel& channel, const Seen& seen, Operation& operation) {
  Swallow(Side::kBroker);
  if (operation.kind != Operation::Kind::kPurge) {
    if (const auto declared = ReadDeclared(seen.arguments())) {
      operation.messages += declared->messages;
      operation.consumers += declared->consumers;
    }
  } else {
    operation.messages += ArgumentReader(seen.arguments()).U32();
  }
  if (--operation.waiting > 0 || operation.bit) return;
  if (operation.kind == Operation::Kind::kCheck) return OnChecked(channel, operation);
  const auto most = std::uint64_t{0xffff'ffff};
  const auto messages = static_cast<std::uint32_t>(std::min(operation.messages, most));
  std::string reply;
  if (operation.kind == Operation::Kind::kDeclare) {
    AppendDeclared(reply, channel.number,
                   {operation.name, messages, static_cast<std::uint32_t>(std::min(operation.consumers, most))});
  } else {
    AppendPurged(reply, channel.number, messages);
  }
  InsertToClient(channel, reply);
}

}  // namespace warren::gateway
