// What the broker says on a channel: passed on, unless it is about a consumer of a stream or an answer to what the
// gateway asked.
#include <algorithm>

#include "proxy/gateway/conversation_impl.h"

namespace warren::gateway {
namespace {

/// Deliveries kept for an exclusive consumer until it is known to have all shards.
constexpr std::size_t kMaxHeldBytes = std::size_t{256} << 10;

}  // namespace

bool ContentProgress::Take(const amqp::Frame& frame) {
  if (frame.type == amqp::FrameType::kHeader && header_due_) {
    ArgumentReader in(frame.payload);
    in.U32();  // Class and weight.
    header_due_ = false;
    left_ = in.U64();
    return left_ == 0;
  }
  if (frame.type != amqp::FrameType::kBody || header_due_ || left_ == 0) return false;
  left_ -= std::min<std::uint64_t>(left_, frame.payload.size());
  return left_ == 0;
}

void Conversation::Impl::OnBrokerFrame(const Seen& seen) {
  Channel* channel = Find(seen.frame.channel);
  if (channel == nullptr) return Pass(seen, Side::kBroker);
  if (channel->phase == Channel::Phase::kRefused) return OnRefusedByUs(*channel, seen);
  if (seen.frame.type != amqp::FrameType::kMethod) return OnBrokerContent(*channel, seen);
  if (channel->phase == Channel::Phase::kClientCloses && seen.method == AMQP_CHANNEL_CLOSE_OK_METHOD) {
    Pass(seen, Side::kBroker);
    return Erase(*channel);
  }
  OnBrokerMethod(*channel, seen);
}

/// A message that was begun is ended; all else but the closing is dropped.
void Conversation::Impl::OnRefusedByUs(Channel& channel, const Seen& seen) {
  if (seen.frame.type != amqp::FrameType::kMethod && channel.from_broker.busy()) return OnBrokerContent(channel, seen);
  if (seen.method == AMQP_CHANNEL_CLOSE_METHOD && !client_raw_) {
    AppendBare(out_->to_broker, channel.number, AMQP_CHANNEL_CLOSE_OK_METHOD);
  }
  Swallow(Side::kBroker);
  if (seen.method != AMQP_CHANNEL_CLOSE_OK_METHOD) return;
  channel.broker_done = true;
  if (channel.client_done) Erase(channel);
}

void Conversation::Impl::OnBrokerMethod(Channel& channel, const Seen& seen) {
  switch (seen.method) {
    case AMQP_BASIC_DELIVER_METHOD: return OnDeliver(channel, seen);
    case AMQP_BASIC_RETURN_METHOD: channel.from_broker.Begin(); break;
    case AMQP_BASIC_CONSUME_OK_METHOD: return OnConsumeOk(channel, seen);
    case AMQP_BASIC_CANCEL_OK_METHOD: return OnCancelOk(channel, seen);
    case AMQP_BASIC_CANCEL_METHOD: return OnCancelNotice(channel, seen);
    case AMQP_BASIC_QOS_OK_METHOD: return OnReply(channel, seen, Expected::Reply::kQos);
    case AMQP_BASIC_GET_EMPTY_METHOD: return OnReply(channel, seen, Expected::Reply::kGet);
    case AMQP_BASIC_GET_OK_METHOD: OnReply(channel, seen, Expected::Reply::kGet); return channel.from_broker.Begin();
    case AMQP_QUEUE_DECLARE_OK_METHOD: return OnReply(channel, seen, Expected::Reply::kDeclare);
    case AMQP_QUEUE_PURGE_OK_METHOD: return OnReply(channel, seen, Expected::Reply::kPurge);
    case AMQP_BASIC_RECOVER_OK_METHOD: OnRecover(channel); break;  // What was under way meanwhile was given back too.
    case AMQP_CHANNEL_CLOSE_METHOD: return OnChannelClosed(channel, seen);
    default: break;
  }
  Pass(seen, Side::kBroker);
}

void Conversation::Impl::OnBrokerContent(Channel& channel, const Seen& seen) {
  const bool last = channel.from_broker.Take(seen.frame);
  if (channel.diverted_to == 0) {
    Pass(seen, Side::kBroker);
    if (last) out_->to_client += std::exchange(channel.to_client, {});
    return;
  }
  StreamConsumer* consumer = Find(channel.diverted_to);
  if (consumer != nullptr) consumer->held += seen.whole;
  if (last) channel.diverted_to = 0;
  if (consumer != nullptr && consumer->held.size() > kMaxHeldBytes) Answer(channel, *consumer);
}

void Conversation::Impl::OnDeliver(Channel& channel, const Seen& seen) {
  channel.from_broker.Begin();
  if (channel.upstream_tags.empty()) return Pass(seen, Side::kBroker);
  const auto deliver = ReadDeliver(seen.arguments());
  const auto found = deliver ? channel.upstream_tags.find(deliver->tag) : channel.upstream_tags.end();
  StreamConsumer* consumer = found == channel.upstream_tags.end() ? nullptr : Find(found->second.consumer);
  if (consumer == nullptr) return Pass(seen, Side::kBroker);
  Count(Rewrite::kDeliver);
  std::string& out = consumer->answered ? out_->to_client : consumer->held;
  if (!consumer->answered) channel.diverted_to = consumer->id;
  AppendDeliver(out, channel.number, consumer->tag, deliver->after_tag);
  if (!consumer->subscriptions.limited()) return;
  channel.unsettled.emplace_hint(channel.unsettled.end(), deliver->delivery_tag, found->second);
  consumer->subscriptions.OnDelivered(found->second.number, now_);
}

void Conversation::Impl::OnConsumeOk(Channel& channel, const Seen& seen) {
  const auto tag = ReadTag(seen.arguments());
  const auto found = tag ? channel.upstream_tags.find(*tag) : channel.upstream_tags.end();
  if (found == channel.upstream_tags.end()) {
    // One that the broker made up is known from here on.
    if (tag && tag->starts_with("amq.ctag-") && channel.ordinary_tags.emplace(*tag).second) Reserve(TagBytes(*tag));
    return Pass(seen, Side::kBroker);
  }
  Swallow(Side::kBroker);
  StreamConsumer* consumer = Find(found->second.consumer);
  if (consumer == nullptr) return;
  consumer->subscriptions.OnOpened(found->second.number);
  if (!consumer->exclusive()) Answer(channel, *consumer);
  Advance(*consumer);
}

void Conversation::Impl::OnCancelOk(Channel& channel, const Seen& seen) {
  const auto tag = ReadTag(seen.arguments());
  const auto found = tag ? channel.upstream_tags.find(*tag) : channel.upstream_tags.end();
  if (found == channel.upstream_tags.end()) return Pass(seen, Side::kBroker);
  Swallow(Side::kBroker);
  const Owner owner = found->second;
  channel.upstream_tags.erase(found);
  StreamConsumer* consumer = Find(owner.consumer);
  if (consumer == nullptr) return;
  consumer->subscriptions.OnClosed(owner.number);
  Advance(*consumer);
}

/// RabbitMQ's consumer cancel notification: the queue is gone, or its node is.
void Conversation::Impl::OnCancelNotice(Channel& channel, const Seen& seen) {
  const auto cancel = ReadCancel(seen.arguments());
  const auto found = cancel ? channel.upstream_tags.find(cancel->tag) : channel.upstream_tags.end();
  if (found == channel.upstream_tags.end()) {
    const auto ordinary = cancel ? channel.ordinary_tags.find(cancel->tag) : channel.ordinary_tags.end();
    if (ordinary != channel.ordinary_tags.end()) {
      Release(TagBytes(*ordinary));
      channel.ordinary_tags.erase(ordinary);
    }
    return wants_cancel_notice_ ? Pass(seen, Side::kBroker) : Swallow(Side::kBroker);
  }
  Swallow(Side::kBroker);
  const Owner owner = found->second;
  StreamConsumer* consumer = Find(owner.consumer);
  // A cancel of ours is under way to it: its cancel-ok comes all the same.
  if (consumer != nullptr && consumer->subscriptions.IsClosing(owner.number)) return;
  channel.upstream_tags.erase(found);
  if (consumer == nullptr) return;
  const std::string queue = consumer->subscriptions.OnLost(owner.number, now_);
  if (!consumer->left && !queue.empty()) outside_.Lost(consumer->id, queue);
  Advance(*consumer);
}

void Conversation::Impl::OnReply(Channel& channel, const Seen& seen, Expected::Reply reply) {
  if (channel.expected.empty() || channel.expected.front().reply != reply) return Pass(seen, Side::kBroker);
  Expected expected = std::move(channel.expected.front());
  channel.expected.pop_front();
  Release(sizeof(Expected));
  if (!expected.ours) {
    const auto declared = reply == Expected::Reply::kDeclare ? ReadDeclared(seen.arguments()) : std::nullopt;
    if (declared) channel.own_declared = declared->queue;
    return Pass(seen, Side::kBroker);
  }
  if (expected.operation == nullptr) {
    if (expected.frames.empty()) return Swallow(Side::kBroker);
    return InsertToClient(channel, expected.frames);
  }
  if (reply == Expected::Reply::kGet) return OnGetReply(channel, seen, std::move(expected.operation));
  OnSumReply(channel, seen, *expected.operation);
}

void Conversation::Impl::OnChannelClosed(Channel& channel, const Seen& seen) {
  if (auto close = ReadClose(seen.arguments())) {
    if (close->code == AMQP_NOT_FOUND) NoteMissing(channel, close->text);
    close->text = Renamed(channel, std::move(close->text));
    AppendClose(out_->to_client, channel.number, seen.method, *close);
  } else {
    Pass(seen, Side::kBroker);
  }
  LeaveAll(channel);
  channel.phase = Channel::Phase::kBrokerCloses;
}

/// A shard that was to be consumed is not there: whoever asks for shards next is not to be given it again as it was
/// seen before. Brokers cut what is too long, and say so with dots.
void Conversation::Impl::NoteMissing(const Channel& channel, const std::string& text) {
  for (const auto& [id, consumer] : consumers_) {
    if (consumer.channel != channel.number || consumer.left) continue;
    const auto& subscriptions = consumer.subscriptions;
    for (const std::string& queue : consumer.checks > 0 ? subscriptions.wanted() : subscriptions.Opening()) {
      if (text.ends_with("...") || text.find("'" + queue + "'") != std::string::npos) outside_.Lost(id, queue);
    }
  }
}

/// Errors name the shard; the client knows it by another name.
std::string Conversation::Impl::Renamed(const Channel& channel, std::string text) {
  streams_ = outside_.streams();
  const auto rename = [&](const std::string& exchange, const std::string& name) {
    const SeenStream* stream = streams_ == nullptr ? nullptr : streams_->OfExchange(vhost_, exchange);
    if (stream == nullptr) return false;
    for (const SeenShard& shard : stream->shards) {
      const std::size_t at = text.find("'" + shard.queue + "'");
      if (at == std::string::npos) continue;
      text.replace(at + 1, shard.queue.size(), name);
      return true;
    }
    return false;
  };
  for (const auto& [id, consumer] : consumers_) {
    if (consumer.channel == channel.number && rename(consumer.exchange, consumer.name)) return text;
  }
  for (const Expected& expected : channel.expected) {
    if (expected.operation && rename(expected.operation->exchange, expected.operation->name)) return text;
  }
  return text;
}

}  // namespace warren::gateway
