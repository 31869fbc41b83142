// Bytes to frames, and all that is said on channel 0.
#include "proxy/gateway/conversation.h"

#include <fmt/format.h>

#include <algorithm>

#include "proxy/gateway/client_properties.h"
#include "proxy/gateway/conversation_impl.h"

namespace warren::gateway {
namespace {

constexpr std::size_t kHeaderBytes = 8;  ///< "AMQP" and the version.
/// How long a client that was told connection.close may take for its close-ok.
constexpr std::chrono::seconds kCloseTimeout{3};
/// Until the sides have agreed on another. The broker's own limit is lower then, and it is the one to say so.
constexpr std::uint32_t kFirstFrameMax = 131'072;
/// RabbitMQ takes frames of clients that are longer by this than what was agreed on (FRAME_SIZE_FUDGE in
/// rabbit_reader).
constexpr std::uint32_t kExcessBytes = 8;
/// Brokers take no larger frame before the limit is agreed on.
constexpr std::size_t kMaxStartOkBytes = 4'096;
constexpr std::size_t kChannelBytes = 1'024;  ///< As accounted.
constexpr std::chrono::seconds kBeatPause{1};

}  // namespace

Conversation::Conversation(const ConversationOptions& options, Outside& outside)
    : impl_(std::make_unique<Impl>(options, outside)) {}
Conversation::~Conversation() = default;

std::size_t Conversation::FromClient(std::string_view bytes, Time now, Output& out) {
  impl_->Enter(now, out);
  const std::size_t taken = impl_->FromClient(bytes);
  impl_->Exit();
  return taken;
}

std::size_t Conversation::FromBroker(std::string_view bytes, Time now, Output& out) {
  impl_->Enter(now, out);
  const std::size_t taken = impl_->FromBroker(bytes);
  impl_->Exit();
  return taken;
}

void Conversation::OnShards(ConsumerId consumer, const std::vector<std::string>& queues, bool known, Time now,
                            Output& out) {
  impl_->Enter(now, out);
  impl_->OnShards(consumer, queues, known);
  impl_->Exit();
}

void Conversation::OnBrokerLost(std::string_view why, Time now, Output& out) {
  impl_->Enter(now, out);
  impl_->OnBrokerLost(why);
}

void Conversation::Shutdown(std::string_view why, Time now, Output& out) {
  impl_->Enter(now, out);
  impl_->Shutdown(why);
}

void Conversation::Tick(Time now, Output& out) {
  impl_->Enter(now, out);
  impl_->Tick();
  impl_->Exit();
}

void Conversation::HeardClient(Time now) { impl_->client_heard_ = now; }
bool Conversation::stalled() const { return impl_->stalled(); }
std::optional<Time> Conversation::next() const { return impl_->next(); }
bool Conversation::finished() const { return impl_->finished_; }
bool Conversation::open() const { return impl_->open_; }
std::chrono::seconds Conversation::heartbeat() const { return std::chrono::seconds(impl_->heartbeat_s_); }
const std::string& Conversation::user() const { return impl_->user_; }
const std::string& Conversation::vhost() const { return impl_->vhost_; }
const Tally& Conversation::tally() const { return impl_->tally_; }
std::size_t Conversation::memory_bytes() const { return impl_->memory_bytes_; }

std::optional<Conversation::Impl::Seen> Conversation::Impl::NextFrame(std::string_view bytes, Side from,
                                                                      bool& broken) const {
  const std::uint32_t agreed = from == Side::kClient ? client_frame_max_ : broker_frame_max_;
  const std::uint32_t more = from == Side::kClient ? kExcessBytes : 0;
  auto frame = amqp::SplitFrame(bytes, (agreed == 0 ? kFirstFrameMax : agreed) + more);
  if (!frame) broken = true;
  if (!frame || !*frame) return std::nullopt;
  Seen seen{**frame, bytes.substr(0, amqp::FrameBytes(**frame)), 0};
  if (seen.frame.type == amqp::FrameType::kMethod) seen.method = MethodOf(seen.frame.payload);
  return seen;
}

/// RabbitMQ drops a connection without a word for a method, or a value in a method's table, of a kind that it does not
/// know.
void Conversation::Impl::NoteFatal(const Seen& seen) {
  if (seen.method == 0) return;
  const auto table = ReadTable(seen.method, seen.arguments());
  client_fatal_ |= amqp_method_name(seen.method) == nullptr || (table && !amqp::TableIsSafe(*table));
}

std::size_t Conversation::Impl::TakeHeader(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes) return 0;
  header_taken_ = true;
  client_raw_ = !bytes.starts_with("AMQP");
  if (client_raw_) ++tally_.protocol_errors;
  out_->to_broker += bytes.substr(0, kHeaderBytes);
  return kHeaderBytes;
}

std::size_t Conversation::Impl::FromClient(std::string_view bytes) {
  if (finished_) return bytes.size();
  std::size_t taken = header_taken_ ? 0 : TakeHeader(bytes);
  if (!header_taken_) return 0;
  client_heard_ = now_;
  while (taken < bytes.size() && !stalled()) {
    bool broken = client_raw_;
    const auto seen = broken ? std::nullopt : NextFrame(bytes.substr(taken), Side::kClient, broken);
    if (broken) {
      // The broker knows what to say to that.
      if (!client_raw_) ++tally_.protocol_errors;
      client_raw_ = true;
      if (closing_) finished_ = true;
      if (!closing_ && !broker_lost_) out_->to_broker += bytes.substr(taken);
      return bytes.size();
    }
    if (!seen) break;
    if (!closing_ && seen->frame.channel != 0 && MustWait(*seen)) break;
    taken += seen->whole.size();
    ++tally_.client_frames;
    if (seen->frame.channel == 0 || closing_) {
      OnClientConnection(*seen);
    } else {
      OnClientFrame(*seen);
    }
    // At once: a read has room for thousands of methods that each take much.
    CloseIfTooLarge();
  }
  if (taken > 0) client_taken_ = now_;
  return taken;
}

std::size_t Conversation::Impl::FromBroker(std::string_view bytes) {
  if (finished_) return bytes.size();
  std::size_t taken = 0;
  while (taken < bytes.size()) {
    bool broken = broker_raw_;
    const auto seen = broken ? std::nullopt : NextFrame(bytes.substr(taken), Side::kBroker, broken);
    if (broken) {
      // Another protocol header, before the end.
      broker_raw_ = true;
      if (!closing_) out_->to_client += bytes.substr(taken);
      return bytes.size();
    }
    if (!seen) break;
    taken += seen->whole.size();
    ++tally_.broker_frames;
    if (closing_) continue;
    if (seen->frame.channel == 0) {
      OnBrokerConnection(*seen);
    } else {
      OnBrokerFrame(*seen);
    }
  }
  return taken;
}

void Conversation::Impl::OnClientConnection(const Seen& seen) {
  if (closing_) {
    if (seen.frame.channel == 0 && seen.method == AMQP_CONNECTION_CLOSE_OK_METHOD) finished_ = true;
    if (seen.frame.channel == 0 && seen.method == AMQP_CONNECTION_CLOSE_METHOD) {
      AppendBare(out_->to_client, 0, AMQP_CONNECTION_CLOSE_OK_METHOD);
    }
    return;
  }
  switch (seen.method) {
    case AMQP_CONNECTION_START_OK_METHOD: return OnStartOk(seen);
    case AMQP_CONNECTION_TUNE_OK_METHOD:
      if (!OnTuneOk(seen)) return;
      break;
    case AMQP_CONNECTION_OPEN_METHOD:
      if (!open_) vhost_ = std::string(ArgumentReader(seen.arguments()).ShortString());
      break;
    case AMQP_CONNECTION_CLOSE_METHOD: OnConnectionClose(); break;
    case AMQP_CONNECTION_CLOSE_OK_METHOD: finished_ = close_seen_; break;
    default: NoteFatal(seen); break;
  }
  Pass(seen, Side::kClient);
}

/// Whether it goes on to the broker.
bool Conversation::Impl::OnTuneOk(const Seen& seen) {
  const auto tune = ReadTune(seen.arguments());
  if (!tune || open_) return true;
  const std::uint16_t limit = options_.max_channels;
  if (limit != 0 && (tune->channel_max == 0 || tune->channel_max > limit)) {
    CloseConnection(
        AMQP_NOT_ALLOWED,
        fmt::format("NOT_ALLOWED - negotiated channel_max = {} is higher than the maximum allowed value ({})",
                    tune->channel_max, limit),
        seen.method);
    return false;
  }
  const std::uint32_t agreed = tune->frame_max == 0 ? LargestFrame() : std::min(tune->frame_max, LargestFrame());
  client_frame_max_ = broker_frame_max_ = std::max<std::uint32_t>(agreed, AMQP_FRAME_MIN_SIZE);
  heartbeat_s_ = tune->heartbeat_s;
  return true;
}

std::uint32_t Conversation::Impl::LargestFrame() const {
  return static_cast<std::uint32_t>(std::min<std::size_t>(options_.max_memory_bytes, 1u << 30));
}

void Conversation::Impl::OnStartOk(const Seen& seen) {
  const StartOk start = ReadStartOk(seen.arguments());
  user_ = start.user;
  wants_cancel_notice_ = start.wants_cancel_notice;
  const std::size_t head = sizeof(MethodId) + amqp::kFrameOverheadBytes;
  if (open_ || start.changed.empty() || start.changed.size() + head > kMaxStartOkBytes) {
    return Pass(seen, Side::kClient);
  }
  FrameWriter(out_->to_broker, 0, AMQP_CONNECTION_START_OK_METHOD).Raw(start.changed).End();
}

/// Of either side.
void Conversation::Impl::OnConnectionClose() {
  close_seen_ = true;
  for (const auto& [number, channel] : channels_) StopConsuming(number);
}

void Conversation::Impl::OnBrokerConnection(const Seen& seen) {
  switch (seen.method) {
    case AMQP_CONNECTION_TUNE_METHOD: return OnTune(seen);
    case AMQP_CONNECTION_OPEN_OK_METHOD: open_ = true; break;
    case AMQP_CONNECTION_CLOSE_METHOD: OnConnectionClose(); break;
    case AMQP_CONNECTION_CLOSE_OK_METHOD: finished_ = close_seen_; break;
    default: break;
  }
  Pass(seen, Side::kBroker);
}

void Conversation::Impl::OnTune(const Seen& seen) {
  auto tune = ReadTune(seen.arguments());
  const std::uint16_t channels = options_.max_channels;
  const std::uint32_t bytes = LargestFrame();
  const bool fewer = tune && channels != 0 && (tune->channel_max == 0 || tune->channel_max > channels);
  const bool smaller = tune && (tune->frame_max == 0 || tune->frame_max > bytes);
  if (!fewer && !smaller) return Pass(seen, Side::kBroker);
  if (fewer) tune->channel_max = channels;
  if (smaller) tune->frame_max = bytes;
  AppendTune(out_->to_client, *tune);
}

void Conversation::Impl::Pass(const Seen& seen, Side from) {
  (from == Side::kClient ? out_->to_broker : out_->to_client) += seen.whole;
}

/// A method that begins with a queue. Where the empty name stood for a stream that is none any more the broker is told
/// that name: by the empty one it would understand a shard.
void Conversation::Impl::PassToQueue(Channel& channel, const Seen& seen, std::string_view queue) {
  const bool broker_knows = channel.last_declared.empty() && !channel.shard_declared;
  if (!queue.empty() || broker_knows) return Pass(seen, Side::kClient);
  if (channel.last_declared.empty()) {
    return RefuseChannel(channel, AMQP_NOT_FOUND, "NOT_FOUND - no previously declared queue", seen.method);
  }
  constexpr std::size_t kReservedBytes = 2, kEmptyNameBytes = 1;
  FrameWriter(out_->to_broker, channel.number, seen.method)
      .Raw(seen.arguments().substr(0, kReservedBytes))
      .ShortString(channel.last_declared)
      .Raw(seen.arguments().substr(kReservedBytes + kEmptyNameBytes))
      .End();
}

/// A frame goes no further. Each side takes silence for the other's end, so a heartbeat goes in its place.
void Conversation::Impl::Swallow(Side from) {
  Time& beat = from == Side::kClient ? broker_beat_ : client_beat_;
  if (heartbeat_s_ == 0 || closing_ || (from == Side::kClient && broker_lost_) || now_ - beat < kBeatPause) return;
  beat = now_;
  amqp::AppendHeartbeat(from == Side::kClient ? out_->to_broker : out_->to_client);
}

/// Nothing of ours may come among bytes of the client that are no frames to us.
void Conversation::Impl::InsertToBroker(Channel& channel, std::string_view frames) {
  if (client_raw_) return;
  (channel.from_client.busy() ? channel.to_broker : out_->to_broker) += frames;
}

void Conversation::Impl::InsertToClient(Channel& channel, std::string_view frames) {
  const bool between = channel.from_broker.busy() && channel.diverted_to == 0;
  (between ? channel.to_client : out_->to_client) += frames;
}

void Conversation::Impl::CloseConnection(std::uint16_t code, std::string text, MethodId cause) {
  if (closing_ || finished_) return;
  for (auto& [number, channel] : channels_) LeaveAll(channel);
  ++tally_.refusals;
  AppendClose(out_->to_client, 0, AMQP_CONNECTION_CLOSE_METHOD, {code, text, cause});
  if (!broker_lost_ && !client_raw_) {
    AppendClose(out_->to_broker, 0, AMQP_CONNECTION_CLOSE_METHOD, {AMQP_REPLY_SUCCESS, text, 0});
  }
  closing_ = true;
  close_by_ = now_ + kCloseTimeout;
}

void Conversation::Impl::RefuseChannel(Channel& channel, std::uint16_t code, std::string text, MethodId cause) {
  LeaveAll(channel);
  ++tally_.refusals;
  std::string close;
  AppendClose(close, channel.number, AMQP_CHANNEL_CLOSE_METHOD, {code, std::move(text), cause});
  InsertToClient(channel, close);
  close.clear();
  AppendClose(close, channel.number, AMQP_CHANNEL_CLOSE_METHOD, {AMQP_REPLY_SUCCESS, {}, 0});
  InsertToBroker(channel, close);
  channel.phase = Channel::Phase::kRefused;
}

void Conversation::Impl::Exit() {
  streams_.reset();
  CloseIfTooLarge();
}

void Conversation::Impl::CloseIfTooLarge() {
  if (memory_bytes_ <= options_.max_memory_bytes || closing_ || finished_) return;
  CloseConnection(AMQP_RESOURCE_ERROR,
                  "RESOURCE_ERROR - channels and consumers of this connection take more memory than the gateway allows",
                  0);
}

Channel* Conversation::Impl::Find(std::uint16_t number) {
  const auto found = channels_.find(number);
  return found == channels_.end() ? nullptr : &found->second;
}

void Conversation::Impl::OnOpenChannel(const Seen& seen) {
  channels_.try_emplace(seen.frame.channel, seen.frame.channel);
  ++tally_.channels;
  Pass(seen, Side::kClient);
  Reserve(kChannelBytes);
}

void Conversation::Impl::Erase(Channel& channel) {
  LeaveAll(channel);
  std::size_t tags = 0;
  for (const std::string& tag : channel.ordinary_tags) tags += TagBytes(tag);
  Release(kChannelBytes + tags);
  --tally_.channels;
  channels_.erase(channel.number);
}

void Conversation::Impl::OnBrokerLost(std::string_view why) {
  if (broker_lost_) return;
  broker_lost_ = true;
  // Half a message that the client sent is nobody's; what waits for it will never go.
  if (!open_ || close_seen_ || client_raw_ || client_fatal_) finished_ = true;
  if (!finished_) CloseConnection(AMQP_CONNECTION_FORCED, "CONNECTION_FORCED - " + std::string(why), 0);
  for (auto& [number, channel] : channels_) LeaveAll(channel);
}

void Conversation::Impl::Shutdown(std::string_view why) {
  if (!open_) finished_ = true;
  if (!finished_ && !close_seen_) CloseConnection(AMQP_CONNECTION_FORCED, "CONNECTION_FORCED - " + std::string(why), 0);
}

std::optional<Time> Conversation::Impl::next() const {
  std::optional<Time> next = close_by_;
  if (const auto beat = BeatDue(); beat && (!next || *beat < *next)) next = beat;
  for (const auto& [id, consumer] : consumers_) {
    const auto due = consumer.subscriptions.next();
    if (due && (!next || *due < *next)) next = due;
  }
  return next;
}

void Conversation::Impl::Tick() {
  if (close_by_ && now_ >= *close_by_) finished_ = true;
  if (closing_ || finished_) return;
  if (const auto beat = BeatDue(); beat && *beat <= now_) {
    broker_beat_ = now_;
    amqp::AppendHeartbeat(out_->to_broker);
  }
  for (auto at = consumers_.begin(); at != consumers_.end();) {
    StreamConsumer& consumer = (at++)->second;
    const auto due = consumer.subscriptions.next();
    if (!due || *due > now_) continue;
    consumer.subscriptions.Wake();
    Advance(consumer);
  }
}

}  // namespace warren::gateway
