// Channels, queues and consumers of one I/O thread; see the header.
#include "proxy/http/broker_transport.h"

#include <algorithm>
#include <functional>

#include "shardmgr/broker/amqp/table.h"
#include "shardmgr/program/logging.h"

namespace warren::proxy {
namespace {

using program::Log;
using program::LogLevel;

constexpr Milliseconds kFirstPause{100};
constexpr Milliseconds kLongestPause{2'000};
constexpr Milliseconds kHandshakeTimeout{4'000};
constexpr std::size_t kMaxUnsentBytes = std::size_t{64} << 20;  ///< Above: the broker is not keeping up.
constexpr const char* kDeadExchange = "warren.dead";

std::int64_t WallMs() {
  return std::chrono::duration_cast<Milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// The reason of the latest death (x-death lists the latest first).
std::string_view DeathReason(const amqp_basic_properties_t& properties) {
  if ((properties._flags & AMQP_BASIC_HEADERS_FLAG) == 0) return {};
  const auto* deaths = amqp::Find(properties.headers, "x-death");
  if (deaths == nullptr || deaths->kind != AMQP_FIELD_KIND_ARRAY || deaths->value.array.num_entries < 1) return {};
  const auto& latest = deaths->value.array.entries[0];
  if (latest.kind != AMQP_FIELD_KIND_TABLE) return {};
  return amqp::AsText(amqp::Find(latest.value.table, "reason")).value_or(std::string_view());
}

}  // namespace

amqp::LinkOptions BrokerTransport::MakeLink(const char* purpose) const {
  amqp::LinkOptions link;
  link.endpoints = options_.nodes;
  link.connection = options_.connection;
  link.connection.name = options_.instance + " " + purpose;
  // A node that takes no part any more must not hold up the way to the next one.
  link.connection.handshake_timeout = kHandshakeTimeout;
  link.longest_pause = kLongestPause;
  return link;
}

BrokerTransport::BrokerTransport(boost::asio::io_context& io, BrokerTransportOptions options, LaneStats& stats)
    : options_(std::move(options)),
      stats_(stats),
      publish_link_(io.get_executor(), MakeLink("publish"),
                    {[this](const ConnectionPtr& connection) { PublishUp(connection); },
                     [this](const amqp::Endpoint& node, const Error& error, bool was_up) {
                       stats_.publish_trouble.Set(error.ToString());
                       publish_failures_.Note(was_up ? "publishing connection lost" : "cannot connect to publish",
                                              node.ToString(), error, was_up);
                     },
                     [this](bool blocked, std::string_view reason) {
                       Log(LogLevel::kWarning, blocked ? "broker blocks publishing" : "broker takes messages again",
                           {{"reason", reason}});
                       stats_.blocked = blocked;
                       dispatcher_->OnBlocked(blocked);
                     }}),
      consume_link_(io.get_executor(), MakeLink("consume"),
                    {[this](const ConnectionPtr& connection) { ConsumeUp(connection); },
                     [this](const amqp::Endpoint& node, const Error& error, bool was_up) {
                       stats_.replies_trouble.Set(error.ToString());
                       consume_failures_.Note(was_up ? "consuming connection lost" : "cannot connect to consume",
                                              node.ToString(), error, was_up);
                     },
                     {}}),
      publish_timer_(io),
      consume_timer_(io),
      publish_pause_(kFirstPause),
      consume_pause_(kFirstPause) {}

BrokerTransport::~BrokerTransport() { Stop(); }

void BrokerTransport::Start(Dispatcher& dispatcher) {
  dispatcher_ = &dispatcher;
  publish_link_.Start();
  consume_link_.Start();
}

void BrokerTransport::Stop() {
  publish_timer_.cancel();
  consume_timer_.cancel();
  publish_channels_ = {};
  for (auto* channel : {&control_channel_, &consume_channel_, &dead_channel_}) channel->reset();
  publish_ready_ = false;
  publish_link_.Stop();
  consume_link_.Stop();
}

void BrokerTransport::Later(boost::asio::steady_timer& timer, Milliseconds& pause, std::function<void()> action) {
  timer.expires_after(pause);
  pause = std::min(pause * 2, kLongestPause);
  timer.async_wait([action = std::move(action)](const boost::system::error_code& error) {
    if (!error) action();
  });
}

// --- Publishing --------------------------------------------------------------------------------------

void BrokerTransport::PublishUp(const ConnectionPtr& connection) {
  publish_timer_.cancel();
  publish_connection_ = connection;
  if (!control_channel_ || !control_channel_->is_open()) control_channel_ = connection->OpenChannel();
  for (std::size_t i = 0; i < kChannels; ++i) publish_channels_[i] = OpenPublishing(i);
  amqp::ExchangeDeclare exchange;
  exchange.name = options_.exchange;
  exchange.passive = true;
  const auto& last = publish_channels_.back();
  last->DeclareExchange(exchange, [this, raw = last.get()](Result<void> done) {
    if (!done || publish_channels_.back().get() != raw) return;  // on_closed tells why.
    publish_ready_ = true;
    missing_logged_ = false;
    publish_pause_ = kFirstPause;
    if (was_publishing_) DispatcherStats::Add(stats_.publish_reconnects);
    was_publishing_ = true;
    stats_.publish_up = true;
    stats_.exchange_missing = false;
    publish_failures_.Forget(publish_connection_->endpoint().ToString());
    Log(LogLevel::kInfo, "publishing",
        {{"exchange", options_.exchange}, {"endpoint", publish_connection_->endpoint().ToString()}});
    dispatcher_->OnPublishUp(Clock::now());
  });
}

/// A new channel in confirm mode.
std::shared_ptr<amqp::Channel> BrokerTransport::OpenPublishing(std::size_t index) {
  auto channel = publish_connection_->OpenChannel();
  amqp::ChannelHandlers handlers;
  handlers.on_confirm = [this, index](std::uint64_t sequence, bool acked) {
    dispatcher_->OnConfirm(Clock::now(), {sequence, index}, acked);
  };
  handlers.on_return = [this](amqp::Returned& returned) {
    dispatcher_->OnReturn(Clock::now(), wire::ReadEnvelope(returned.properties).correlation_id);
  };
  handlers.on_closed = [this, index, raw = channel.get()](const Error& error) {
    if (publish_channels_[index].get() == raw) PublishClosed(error);
  };
  channel->SetHandlers(std::move(handlers));
  channel->SelectConfirms([](Result<void>) {});
  return channel;
}

void BrokerTransport::PublishClosed(const Error& error) {
  publish_channels_ = {};
  const bool was_ready = std::exchange(publish_ready_, false);
  stats_.publish_up = false;
  stats_.publish_trouble.Set(error.ToString());
  stats_.blocked = false;
  const bool missing = error.code == ErrorCode::kNotFound;
  stats_.exchange_missing = missing;
  if (missing) {
    if (!missing_logged_) Log(LogLevel::kWarning, "the exchange is missing; requests get 503 until it is there", error);
    missing_logged_ = true;
    dispatcher_->OnExchangeMissing(Clock::now());
  } else {
    dispatcher_->OnPublishDown(Clock::now());
  }
  if (!publish_connection_ || !publish_connection_->is_open()) return;  // The link finds another.
  if (!missing) {
    publish_failures_.Note("publishing channel closed by the broker", publish_connection_->endpoint().ToString(), error,
                           was_ready);
  }
  Later(publish_timer_, publish_pause_, [this] {
    if (publish_connection_ && publish_connection_->is_open()) PublishUp(publish_connection_);
  });
}

Result<BrokerTransport::Receipt> BrokerTransport::Publish(wire::Request& request, std::string_view routing_key,
                                                          std::string_view correlation_id, Milliseconds expiration) {
  if (!publish_ready_ || publish_connection_->unsent_bytes() > kMaxUnsentBytes) {
    return Fail(ErrorCode::kUnavailable, "the publishing connection is not ready");
  }
  request.sent_ms = WallMs();
  request.deadline_ms = request.sent_ms + expiration.count();
  const auto& properties = encoder_.Encode(request, correlation_id, reply_queue_, expiration.count());
  if (!encoder_.Fits(publish_connection_->frame_max())) {
    return Fail(ErrorCode::kInvalid, "the headers do not fit one frame");
  }
  const std::size_t index = std::hash<std::string_view>()(routing_key) % kChannels;
  auto sequence = publish_channels_[index]->Publish(options_.exchange, routing_key, true, properties, request.body);
  if (!sequence) return tl::unexpected(std::move(sequence.error()));
  return Receipt(*sequence, index);
}

void BrokerTransport::Cancel(std::string_view inbox, std::string_view correlation_id, std::string_view attempt) {
  ToInbox(inbox, control_encoder_.EncodeCancel(correlation_id, attempt));
}

void BrokerTransport::Grant(std::string_view inbox, std::string_view correlation_id, std::string_view attempt) {
  ToInbox(inbox, control_encoder_.EncodeGrant(correlation_id, attempt));
}

void BrokerTransport::ToInbox(std::string_view inbox, const amqp_basic_properties_t& properties) {
  if (!publish_ready_ || publish_connection_->unsent_bytes() > kMaxUnsentBytes) return;
  if (!control_channel_->is_open()) control_channel_ = publish_connection_->OpenChannel();
  // Not mandatory: a worker whose inbox is gone works on nothing any more.
  (void)control_channel_->Publish("", inbox, false, properties, "");
}

// --- Replies -----------------------------------------------------------------------------------------

void BrokerTransport::ConsumeUp(const ConnectionPtr& connection) {
  consume_timer_.cancel();
  auto channel = connection->OpenChannel();
  consume_channel_ = channel;
  amqp::ChannelHandlers handlers;
  handlers.on_closed = [this, raw = channel.get()](const Error& error) {
    if (consume_channel_.get() == raw) ConsumeClosed(error);
  };
  handlers.on_cancelled = [this](std::string_view) {
    if (consume_channel_) consume_channel_->Close();  // Its queue is gone: a new channel, a new queue.
  };
  channel->SetHandlers(std::move(handlers));
  amqp::QueueDeclare queue;
  queue.exclusive = true;
  queue.auto_delete = true;
  channel->DeclareQueue(queue, [this, raw = channel.get()](Result<amqp::QueueDeclared> declared) {
    if (declared && consume_channel_.get() == raw) StartConsuming(declared->name);
  });
  OpenDeadLetters(connection);
}

void BrokerTransport::StartConsuming(const std::string& queue) {
  consume_channel_->Consume(
      queue, "", /*no_ack=*/true, /*exclusive=*/true, {},
      [this](amqp::Delivery& delivery) {
        dispatcher_->OnReply(Clock::now(), delivery.properties, std::move(delivery.body), delivery.damaged());
      },
      [this, queue, raw = consume_channel_.get()](Result<std::string> done) {
        if (!done || consume_channel_.get() != raw) return;
        reply_queue_ = queue;
        consume_pause_ = kFirstPause;
        if (was_consuming_) DispatcherStats::Add(stats_.consume_reconnects);
        was_consuming_ = true;
        stats_.replies_up = true;
        if (const auto open = consume_link_.connection()) consume_failures_.Forget(open->endpoint().ToString());
        Log(LogLevel::kInfo, "consuming replies", {{"queue", queue}});
        dispatcher_->OnReplyQueueUp(Clock::now());
      });
}

void BrokerTransport::ConsumeClosed(const Error& error) {
  consume_channel_.reset();
  const bool was_up = stats_.replies_up.exchange(false);
  stats_.replies_trouble.Set(error.ToString());
  dispatcher_->OnReplyQueueDown(Clock::now());
  const auto connection = consume_link_.connection();
  if (!connection || !connection->is_open()) return;
  consume_failures_.Note("reply channel closed", connection->endpoint().ToString(), error, was_up);
  Later(consume_timer_, consume_pause_, [this] {
    if (const auto open = consume_link_.connection(); open && open->is_open()) ConsumeUp(open);
  });
}

// --- Dead letters ------------------------------------------------------------------------------------

void BrokerTransport::OpenDeadLetters(const ConnectionPtr& connection) {
  if (dead_channel_) {
    dead_channel_->SetHandlers({});
    dead_channel_->Close();
  }
  auto channel = connection->OpenChannel();
  dead_channel_ = channel;
  amqp::ChannelHandlers handlers;
  handlers.on_closed = [this](const Error& error) {
    if (dead_logged_ || error.code == ErrorCode::kUnavailable) return;
    dead_logged_ = true;
    Log(LogLevel::kWarning, "no dead letters: rejected requests will end in 504 rather than 502", error,
        {{"exchange", kDeadExchange}});
  };
  channel->SetHandlers(std::move(handlers));
  amqp::ExchangeDeclare exchange;
  exchange.name = kDeadExchange;
  exchange.type = "headers";
  exchange.durable = true;
  channel->DeclareExchange(exchange, [](Result<void>) {});
  amqp::QueueDeclare queue;
  queue.exclusive = true;
  queue.auto_delete = true;
  channel->DeclareQueue(queue, [this, raw = channel.get()](Result<amqp::QueueDeclared> declared) {
    if (declared && dead_channel_.get() == raw) ConsumeDeadLetters(declared->name);
  });
}

void BrokerTransport::ConsumeDeadLetters(const std::string& queue) {
  amqp::Table match;
  match.Set("x-match", "all").Set(":proxy", options_.instance);
  dead_channel_->BindQueue(queue, kDeadExchange, "", match, [](Result<void>) {});
  dead_channel_->Consume(
      queue, "", /*no_ack=*/true, /*exclusive=*/true, {},
      [this](amqp::Delivery& delivery) {
        dispatcher_->OnDeadLetter(wire::ReadEnvelope(delivery.properties).correlation_id,
                                  DeathReason(delivery.properties));
      },
      [](Result<std::string>) {});
}

}  // namespace warren::proxy
