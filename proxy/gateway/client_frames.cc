// What the client says on a channel: passed on, unless a stream is named where a queue is meant.
#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "proxy/gateway/conversation_impl.h"

namespace warren::gateway {

/// A refused channel can be opened anew once both sides know that it was closed.
bool Conversation::Impl::MustWait(const Seen& seen) {
  if (seen.method != AMQP_CHANNEL_OPEN_METHOD) return false;
  const Channel* channel = Find(seen.frame.channel);
  const bool waits = channel != nullptr && channel->phase == Channel::Phase::kRefused && !channel->broker_done;
  reopening_ = waits ? seen.frame.channel : 0;
  return waits;
}

bool Conversation::Impl::stalled() const {
  if (closing_ || close_seen_) return false;
  if (getting_ != 0) return true;
  const auto awaited = consumers_.find(awaited_);
  if (awaited != consumers_.end() && awaited->second.awaited()) return true;
  if (reopening_ == 0) return false;
  const auto channel = channels_.find(reopening_);
  return channel != channels_.end() && channel->second.phase == Channel::Phase::kRefused &&
         !channel->second.broker_done;
}

/// Who has to wait is not read from, and the broker would take that silence for the client's end. For as long as the
/// client is heard, it is told otherwise.
std::optional<Time> Conversation::Impl::BeatDue() const {
  constexpr int kSilentIntervals = 3;
  const std::chrono::milliseconds interval = std::chrono::seconds(heartbeat_s_);
  if (interval.count() == 0 || !open_ || client_raw_ || !stalled()) return std::nullopt;
  const Time due = std::max(broker_beat_, client_taken_) + interval / 2;
  if (due > client_heard_ + kSilentIntervals * interval) return std::nullopt;
  return due;
}

void Conversation::Impl::OnClientFrame(const Seen& seen) {
  Channel* channel = Find(seen.frame.channel);
  if (channel != nullptr && channel->phase == Channel::Phase::kRefused) {
    if (seen.method != AMQP_CHANNEL_OPEN_METHOD) return OnRefusedChannel(*channel, seen);
    Erase(*channel);
    channel = nullptr;
  }
  if (channel == nullptr) {
    if (seen.method == AMQP_CHANNEL_OPEN_METHOD) return OnOpenChannel(seen);
    NoteFatal(seen);
    return Pass(seen, Side::kClient);
  }
  if (channel->phase == Channel::Phase::kBrokerCloses) {
    Pass(seen, Side::kClient);
    if (seen.method == AMQP_CHANNEL_CLOSE_OK_METHOD) Erase(*channel);
    return;
  }
  if (channel->phase == Channel::Phase::kClientCloses) return Pass(seen, Side::kClient);
  if (seen.frame.type != amqp::FrameType::kMethod) {
    Pass(seen, Side::kClient);
    if (channel->from_client.Take(seen.frame)) out_->to_broker += std::exchange(channel->to_broker, {});
    return;
  }
  // In the middle of a message, or without a number: the broker's business.
  if (channel->from_client.busy() || seen.method == 0) return Pass(seen, Side::kClient);
  OnClientMethod(*channel, seen);
}

void Conversation::Impl::OnRefusedChannel(Channel& channel, const Seen& seen) {
  if (seen.method == AMQP_CHANNEL_CLOSE_METHOD) {
    std::string ok;
    AppendBare(ok, channel.number, AMQP_CHANNEL_CLOSE_OK_METHOD);
    InsertToClient(channel, ok);
  }
  if (seen.method == AMQP_CHANNEL_CLOSE_OK_METHOD) {
    channel.client_done = true;
    if (channel.broker_done) Erase(channel);
  }
  Swallow(Side::kClient);
}

void Conversation::Impl::OnClientMethod(Channel& channel, const Seen& seen) {
  switch (seen.method) {
    case AMQP_BASIC_PUBLISH_METHOD: channel.from_client.Begin(); break;
    case AMQP_BASIC_ACK_METHOD:
    case AMQP_BASIC_NACK_METHOD:
    case AMQP_BASIC_REJECT_METHOD: return OnSettlement(channel, seen);
    case AMQP_BASIC_CONSUME_METHOD: return OnConsume(channel, seen);
    case AMQP_BASIC_CANCEL_METHOD: return OnCancel(channel, seen);
    case AMQP_BASIC_GET_METHOD: return OnGet(channel, seen);
    case AMQP_BASIC_QOS_METHOD: return OnQos(channel, seen);
    case AMQP_BASIC_RECOVER_METHOD:
    case AMQP_BASIC_RECOVER_ASYNC_METHOD: Pass(seen, Side::kClient); return OnRecover(channel);
    case AMQP_QUEUE_DECLARE_METHOD: return OnDeclare(channel, seen);
    case AMQP_QUEUE_DELETE_METHOD: return OnQueueMethod(channel, seen, Rewrite::kDelete, "delete");
    case AMQP_QUEUE_BIND_METHOD: return OnQueueMethod(channel, seen, Rewrite::kBind, "bind");
    case AMQP_QUEUE_UNBIND_METHOD: return OnQueueMethod(channel, seen, Rewrite::kUnbind, "unbind");
    case AMQP_QUEUE_PURGE_METHOD: return OnPurge(channel, seen);
    case AMQP_TX_SELECT_METHOD: channel.in_transaction = true; break;
    case AMQP_TX_COMMIT_METHOD: Pass(seen, Side::kClient); return OnCommit(channel);
    case AMQP_TX_ROLLBACK_METHOD:
      Release(channel.uncommitted.size() * sizeof(Settlement));
      channel.uncommitted.clear();
      break;
    case AMQP_CHANNEL_CLOSE_METHOD:
      StopConsuming(channel.number);
      channel.phase = Channel::Phase::kClientCloses;
      break;
    default: NoteFatal(seen); break;
  }
  Pass(seen, Side::kClient);
}

const SeenStream* Conversation::Impl::Resolve(const Channel& channel, std::string_view name, std::string& spelled) {
  spelled = name.empty() ? channel.last_declared : std::string(name);
  if (spelled.empty()) return nullptr;
  streams_ = outside_.streams();  // Kept, so that what is found stays for the length of this call.
  return streams_ == nullptr ? nullptr : streams_->Find(vhost_, spelled);
}

void Conversation::Impl::Refuse(Channel& channel, const SeenStream& stream, std::string_view name,
                                std::string_view verb, MethodId cause) {
  RefuseChannel(
      channel, AMQP_PRECONDITION_FAILED,
      fmt::format("PRECONDITION_FAILED - cannot {} queue '{}' in vhost '{}': it stands for the shards of stream '{}'",
                  verb, name, vhost_, stream.exchange),
      cause);
}

void Conversation::Impl::OnDeclare(Channel& channel, const Seen& seen) {
  NoteFatal(seen);
  const auto declare = ReadDeclare(seen.arguments());
  std::string name;
  // The empty name asks for a new queue here.
  const SeenStream* stream = declare && !declare->queue.empty() ? Resolve(channel, declare->queue, name) : nullptr;
  if (stream == nullptr) {
    Pass(seen, Side::kClient);
    channel.last_declared.clear();
    channel.shard_declared = false;
    if (!declare) return;
    if ((declare->flags & Declare::kNoWait) == 0) return Expect(channel, {Expected::Reply::kDeclare});
    channel.own_declared = declare->queue;
    return;
  }
  const bool passive = (declare->flags & Declare::kPassive) != 0;
  Count(passive ? Rewrite::kDeclarePassive : Rewrite::kDeclare);
  if (!passive && !options_.accept_declare) return Refuse(channel, *stream, name, "declare", seen.method);
  channel.last_declared = name;
  StartSum(channel, Operation::Kind::kDeclare, *stream, std::move(name), (declare->flags & Declare::kNoWait) != 0);
}

void Conversation::Impl::OnQueueMethod(Channel& channel, const Seen& seen, Rewrite rewrite, std::string_view verb) {
  NoteFatal(seen);
  const auto queue = ReadQueue(seen.arguments());
  std::string name;
  const SeenStream* stream = queue ? Resolve(channel, *queue, name) : nullptr;
  if (stream == nullptr) return PassToQueue(channel, seen, queue.value_or("?"));
  Count(rewrite);
  Refuse(channel, *stream, name, verb, seen.method);
}

void Conversation::Impl::OnPurge(Channel& channel, const Seen& seen) {
  const auto purge = ReadQueueAndBit(seen.arguments());
  std::string name;
  const SeenStream* stream = purge ? Resolve(channel, purge->queue, name) : nullptr;
  if (stream == nullptr) {
    PassToQueue(channel, seen, purge ? purge->queue : "?");
    if (purge && !purge->bit) Expect(channel, {Expected::Reply::kPurge});
    return;
  }
  Count(Rewrite::kPurge);
  if (!options_.accept_purge) return Refuse(channel, *stream, name, "purge", seen.method);
  StartSum(channel, Operation::Kind::kPurge, *stream, std::move(name), purge->bit);
}

void Conversation::Impl::OnGet(Channel& channel, const Seen& seen) {
  const auto get = ReadQueueAndBit(seen.arguments());
  std::string name;
  const SeenStream* stream = get ? Resolve(channel, get->queue, name) : nullptr;
  if (stream == nullptr) {
    PassToQueue(channel, seen, get ? get->queue : "?");
    if (get) Expect(channel, {Expected::Reply::kGet});
    return;
  }
  Count(Rewrite::kGet);
  StartGet(channel, *stream, std::move(name), get->bit);
}

void Conversation::Impl::OnQos(Channel& channel, const Seen& seen) {
  Pass(seen, Side::kClient);
  ArgumentReader in(seen.arguments());
  in.U32();
  const std::uint16_t prefetch = in.U16();
  const bool global = (in.U8() & 1) != 0;
  if (!in.done()) return;
  Expect(channel, {Expected::Reply::kQos});
  if (!global) channel.prefetch = channel.broker_prefetch = prefetch;
}

void Conversation::Impl::OnSettlement(Channel& channel, const Seen& seen) {
  Pass(seen, Side::kClient);
  if (channel.unsettled.empty()) return;
  auto settlement = ReadSettlement(seen.method, seen.arguments());
  if (!settlement) return;
  // Multiple with tag 0 means all there are: those there are now, also where a commit follows later.
  if (settlement->multiple && settlement->delivery_tag == 0)
    settlement->delivery_tag = channel.unsettled.rbegin()->first;
  if (!channel.in_transaction) return Settle(channel, *settlement);
  channel.uncommitted.push_back(*settlement);
  Reserve(sizeof(Settlement));
}

void Conversation::Impl::OnCommit(Channel& channel) {
  for (const Settlement& settlement : std::exchange(channel.uncommitted, {})) {
    Release(sizeof(Settlement));
    Settle(channel, settlement);
  }
}

void Conversation::Impl::OnRecover(Channel& channel) {
  // All are given back, and delivered anew; but for those that a transaction has acknowledged.
  std::uint64_t up_to = 0;
  std::unordered_set<std::uint64_t> single;
  for (const Settlement& settlement : channel.uncommitted) {
    if (!settlement.multiple) single.insert(settlement.delivery_tag);
    if (settlement.multiple) up_to = std::max(up_to, settlement.delivery_tag);
  }
  std::set<ConsumerId> changed;
  for (auto at = channel.unsettled.upper_bound(up_to); at != channel.unsettled.end();) {
    at = single.contains(at->first) ? std::next(at) : Settle(channel, at, changed);
  }
  AdvanceAll(changed);
}

void Conversation::Impl::Settle(Channel& channel, const Settlement& settlement) {
  auto first = channel.unsettled.begin(), last = channel.unsettled.end();
  if (!settlement.multiple) {
    first = channel.unsettled.find(settlement.delivery_tag);
    if (first == last) return;
    last = std::next(first);
  } else {
    last = channel.unsettled.upper_bound(settlement.delivery_tag);
  }
  std::set<ConsumerId> changed;
  while (first != last) first = Settle(channel, first, changed);
  AdvanceAll(changed);
}

/// One delivery; the next one.
Unsettled::iterator Conversation::Impl::Settle(Channel& channel, Unsettled::iterator delivery,
                                               std::set<ConsumerId>& changed) {
  if (StreamConsumer* consumer = Find(delivery->second.consumer)) {
    consumer->subscriptions.OnSettled(delivery->second.number);
    if (consumer->subscriptions.dirty()) changed.insert(consumer->id);
  }
  return channel.unsettled.erase(delivery);
}

void Conversation::Impl::AdvanceAll(const std::set<ConsumerId>& consumers) {
  for (const ConsumerId id : consumers) {
    if (StreamConsumer* consumer = Find(id)) Advance(*consumer);
  }
}

}  // namespace warren::gateway
