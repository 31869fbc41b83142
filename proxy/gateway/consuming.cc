// The life of a consumer of a stream: one tag for the client, an upstream consumer for each shard.
#include <fmt/format.h>

#include "proxy/gateway/conversation_impl.h"

namespace warren::gateway {
namespace {

constexpr std::size_t kConsumerBytes = 768, kSubscriptionBytes = 384;  ///< As accounted.
constexpr std::size_t kTagPartBytes = 200;                             ///< Of the client's tag in those made of it.

}  // namespace

StreamConsumer* Conversation::Impl::Find(ConsumerId id) {
  const auto found = consumers_.find(id);
  return found == consumers_.end() ? nullptr : &found->second;
}

std::string Conversation::Impl::UpstreamTag(const StreamConsumer& consumer, Subscriptions::Number number) {
  std::size_t part = std::min(consumer.tag.size(), kTagPartBytes);
  // Not in the middle of a character.
  while (part < consumer.tag.size() && part > 0 && (consumer.tag[part] & 0xC0) == 0x80) --part;
  return fmt::format("{}/shard-{}.{}", std::string_view(consumer.tag).substr(0, part), consumer.id, number);
}

void Conversation::Impl::OnConsume(Channel& channel, const Seen& seen) {
  NoteFatal(seen);
  const auto consume = ReadConsume(seen.arguments());
  if (!consume) return Pass(seen, Side::kClient);
  std::string name;
  const SeenStream* stream = Resolve(channel, consume->queue, name);
  const bool reused = channel.stream_tags.contains(consume->tag) ||
                      (stream != nullptr && !consume->tag.empty() && channel.ordinary_tags.contains(consume->tag));
  if (reused) {
    return CloseConnection(AMQP_NOT_ALLOWED,
                           fmt::format("NOT_ALLOWED - attempt to reuse consumer tag '{}'", consume->tag), seen.method);
  }
  if (stream == nullptr) {
    PassToQueue(channel, seen, consume->queue);
    if (!consume->tag.empty() && channel.ordinary_tags.emplace(consume->tag).second) Reserve(TagBytes(consume->tag));
    return;
  }
  Count(Rewrite::kConsume);
  Swallow(Side::kClient);
  const ConsumerId id = ++last_consumer_;
  StreamConsumer& consumer = consumers_[id];
  consumer.id = id;
  consumer.channel = channel.number;
  consumer.name = std::move(name);
  consumer.exchange = stream->exchange;
  consumer.tag = consume->tag.empty() ? fmt::format("amq.ctag-stream-{}", id) : std::string(consume->tag);
  consumer.flags = consume->flags;
  consumer.arguments = std::string(consume->arguments);
  consumer.subscriptions = Subscriptions(consumer.no_ack() ? 0 : channel.prefetch, consumer.exclusive());
  channel.stream_tags[consumer.tag] = id;
  ++tally_.consumers;
  Account(consumer);
  awaited_ = id;
  outside_.Join(id, {vhost_, consumer.exchange, consumer.exclusive()});
}

void Conversation::Impl::OnShards(ConsumerId id, const std::vector<std::string>& queues, bool known) {
  StreamConsumer* consumer = Find(id);
  if (consumer == nullptr || consumer->left) return;
  if (!known && !consumer->answered && consumer->subscriptions.size() == 0) {
    return RefuseChannel(*Find(consumer->channel), AMQP_NOT_FOUND,
                         fmt::format("NOT_FOUND - no queue '{}' in vhost '{}'", consumer->name, vhost_),
                         AMQP_BASIC_CONSUME_METHOD);
  }
  consumer->joined = true;
  if (consumer->no_wait() && !consumer->exclusive()) consumer->answered = true;
  consumer->stream_gone = !known;
  consumer->subscriptions.Want(known ? queues : std::vector<std::string>(), now_);
  const bool opened = consumer->answered || consumer->subscriptions.size() > 0;
  if (consumer->exclusive() && consumer->no_ack() && !opened && known) {
    StartCheck(*Find(consumer->channel), *consumer, queues);
  }
  Advance(*consumer);
}

/// Does what is to be done now. The consumer may be gone after it.
void Conversation::Impl::Advance(StreamConsumer& consumer) {
  Channel* channel = Find(consumer.channel);
  if (channel == nullptr || channel->phase != Channel::Phase::kOpen || close_seen_ || client_raw_) return;
  if (consumer.checks > 0) return;
  if (!consumer.cancelled && consumer.joined && consumer.subscriptions.dirty()) {
    const Subscriptions::Steps steps = consumer.subscriptions.Plan(now_);
    Close(*channel, consumer, steps.close);
    Open(*channel, consumer, steps.open);
    Account(consumer);
  }
  if (consumer.joined && consumer.subscriptions.all_opened()) Answer(*channel, consumer);
  FinishIfIdle(*channel, consumer);
}

void Conversation::Impl::Open(Channel& channel, StreamConsumer& consumer,
                              const std::vector<Subscriptions::Open>& opens) {
  if (opens.empty()) return;
  std::string frames;
  const auto flags = static_cast<std::uint8_t>(consumer.flags & ~Consume::kNoWait);
  for (const Subscriptions::Open& open : opens) {
    if (!consumer.no_ack()) SetBrokerPrefetch(channel, open.prefetch, frames);
    const std::string tag = UpstreamTag(consumer, open.number);
    AppendConsume(frames, channel.number, {open.queue, tag, flags, consumer.arguments});
    channel.upstream_tags[tag] = {consumer.id, open.number};
  }
  SetBrokerPrefetch(channel, channel.prefetch, frames);
  InsertToBroker(channel, frames);
}

void Conversation::Impl::SetBrokerPrefetch(Channel& channel, std::uint16_t prefetch, std::string& frames) {
  if (channel.broker_prefetch == prefetch) return;
  channel.broker_prefetch = prefetch;
  AppendQos(frames, channel.number, prefetch);
  Expect(channel, {Expected::Reply::kQos, true, nullptr, {}});
}

void Conversation::Impl::Close(Channel& channel, StreamConsumer& consumer,
                               const std::vector<Subscriptions::Number>& numbers) {
  std::string frames;
  for (const Subscriptions::Number number : numbers) {
    AppendCancel(frames, channel.number, UpstreamTag(consumer, number), false);
  }
  InsertToBroker(channel, frames);
}

/// consume-ok, once; what came before it follows.
void Conversation::Impl::Answer(Channel& channel, StreamConsumer& consumer) {
  if (consumer.answered) return;
  consumer.answered = true;
  std::string frames;
  if (!consumer.no_wait()) AppendTag(frames, channel.number, AMQP_BASIC_CONSUME_OK_METHOD, consumer.tag);
  if (consumer.subscriptions.size() == 0) return AfterReplies(channel, std::move(frames));
  frames += std::exchange(consumer.held, {});
  InsertToClient(channel, frames);
  if (channel.diverted_to == consumer.id) channel.diverted_to = 0;  // The rest of its message follows by itself.
}

void Conversation::Impl::OnCancel(Channel& channel, const Seen& seen) {
  const auto cancel = ReadCancel(seen.arguments());
  const auto found = cancel ? channel.stream_tags.find(cancel->tag) : channel.stream_tags.end();
  if (found == channel.stream_tags.end()) {
    const auto ordinary = cancel ? channel.ordinary_tags.find(cancel->tag) : channel.ordinary_tags.end();
    if (ordinary != channel.ordinary_tags.end()) {
      Release(TagBytes(*ordinary));
      channel.ordinary_tags.erase(ordinary);
    }
    return Pass(seen, Side::kClient);
  }
  Count(Rewrite::kCancel);
  Swallow(Side::kClient);
  StreamConsumer& consumer = *Find(found->second);
  channel.stream_tags.erase(found);
  consumer.cancelled = true;
  consumer.cancel_ok = !cancel->no_wait;
  if (consumer.cancel_ok) awaited_ = consumer.id;
  Leave(consumer);
  const auto numbers = consumer.subscriptions.CloseAll();
  Close(channel, consumer, numbers);
  consumer.finishes_alone = numbers.empty();
  FinishIfIdle(channel, consumer);
}

/// After its last upstream consumer: the client is told that its own is no more.
void Conversation::Impl::FinishIfIdle(Channel& channel, StreamConsumer& consumer) {
  if (!(consumer.cancelled || consumer.stream_gone) || !consumer.subscriptions.idle()) return;
  std::string frames;
  if (consumer.cancelled) {
    if (consumer.cancel_ok) AppendTag(frames, channel.number, AMQP_BASIC_CANCEL_OK_METHOD, consumer.tag);
    if (consumer.finishes_alone && consumer.cancel_ok) AfterReplies(channel, std::exchange(frames, {}));
  } else if (wants_cancel_notice_) {
    Count(Rewrite::kCancelNotice);
    AppendCancel(frames, channel.number, consumer.tag, true);
  }
  InsertToClient(channel, frames);
  Remove(consumer);
}

void Conversation::Impl::Leave(StreamConsumer& consumer) {
  if (!consumer.left) outside_.Leave(consumer.id);
  consumer.left = true;
}

void Conversation::Impl::Remove(StreamConsumer& consumer) {
  Leave(consumer);
  if (Channel* channel = Find(consumer.channel)) {
    const auto tag = channel->stream_tags.find(consumer.tag);
    if (tag != channel->stream_tags.end() && tag->second == consumer.id) channel->stream_tags.erase(tag);
  }
  Release(consumer.memory_bytes);
  --tally_.consumers;
  consumers_.erase(consumer.id);
}

/// The client or the broker closes: nothing is opened any more, what is there goes with the channel. Until that is
/// said, frames are understood as before.
void Conversation::Impl::StopConsuming(std::uint16_t channel) {
  for (auto& [id, consumer] : consumers_) {
    if (consumer.channel != channel) continue;
    Leave(consumer);
    consumer.subscriptions.CloseAll();
  }
}

/// The channel's end, for what the gateway has on it.
void Conversation::Impl::LeaveAll(Channel& channel) {
  for (auto at = consumers_.begin(); at != consumers_.end();) {
    StreamConsumer& consumer = (at++)->second;
    if (consumer.channel == channel.number) Remove(consumer);
  }
  Release(channel.uncommitted.size() * sizeof(Settlement) + channel.expected.size() * sizeof(Expected));
  channel.unsettled.clear();
  channel.uncommitted.clear();
  channel.expected.clear();
  channel.upstream_tags.clear();
  channel.to_broker.clear();
  channel.getting = nullptr;
  if (getting_ == channel.number) getting_ = 0;
}

void Conversation::Impl::Account(StreamConsumer& consumer) {
  const std::size_t bytes = kConsumerBytes + consumer.arguments.size() + 3 * consumer.tag.size() +
                            consumer.subscriptions.size() * (kSubscriptionBytes + consumer.tag.size());
  Release(consumer.memory_bytes);
  Reserve(bytes);
  consumer.memory_bytes = bytes;
}

}  // namespace warren::gateway
