// Consuming, answering and letting go of one shard.
#include "proxy/worker/shard_consumer.h"

#include "proxy/wire/control.h"
#include "shardmgr/broker/amqp/bytes.h"
#include "shardmgr/program/logging.h"

namespace warren::worker {

wire::Response PlainResponse(int status, std::string_view text) {
  wire::Response response;
  response.status = status;
  response.fields = {{"content-type", "text/plain; charset=utf-8"}};
  response.body = std::string(text) + "\n";
  return response;
}

ShardConsumer::ShardConsumer(std::shared_ptr<amqp::Connection> connection, std::string shard,
                             std::shared_ptr<const std::string> inbox, ShardConsumerHooks hooks)
    : connection_(std::move(connection)),
      shard_(std::move(shard)),
      inbox_(std::move(inbox)),
      hooks_(std::move(hooks)) {}

void ShardConsumer::Start(const std::string& tag, unsigned prefetch) {
  tag_ = tag;
  prefetch_ = prefetch;
  last_delivery_ = std::chrono::steady_clock::now();
  channel_ = connection_->OpenChannel();
  const auto weak = weak_from_this();
  amqp::ChannelHandlers handlers;
  handlers.on_cancelled = [weak](std::string_view) {
    if (const auto self = weak.lock()) {
      self->OnLost({ErrorCode::kUnavailable, "the broker cancelled the consumer", self->shard_});
    }
  };
  handlers.on_closed = [weak](const Error& error) {
    if (const auto self = weak.lock()) self->OnLost(error);
  };
  handlers.on_return = [weak](amqp::Returned& returned) {
    const auto self = weak.lock();
    const auto claim = wire::ReadClaim(returned.properties);
    if (self && claim) self->hooks_.on_unwanted(claim->correlation_id, claim->attempt);
  };
  channel_->SetHandlers(std::move(handlers));
  channel_->Qos(static_cast<std::uint16_t>(prefetch), false, [](Result<void>) {});
  channel_->Consume(
      shard_, tag_, false, false, {},
      [weak](amqp::Delivery& delivery) {
        if (const auto self = weak.lock()) self->OnDelivery(delivery);
      },
      [weak](Result<std::string> consuming) {
        const auto self = weak.lock();
        if (!self) return;
        if (!consuming) return self->OnLost(consuming.error());
        self->consuming_ = true;
        if (self->hooks_.on_consuming) self->hooks_.on_consuming();
      });
}

void ShardConsumer::OnLost(const Error& error) {
  cancelled_ = true;
  if (stopping_) return;
  stopping_ = true;
  if (held_ == 0) channel_->Close();
  if (hooks_.on_lost) hooks_.on_lost(error.Within(shard_));
}

void ShardConsumer::Stop() {
  if (stopping_) return;
  stopping_ = true;
  const auto self = shared_from_this();
  // Deliveries that are on their way before cancel-ok are worked on as well.
  channel_->Cancel(tag_, [self](Result<void>) {
    self->cancelled_ = true;
    if (self->held_ == 0) self->channel_->Close();
  });
}

void ShardConsumer::OnDelivery(amqp::Delivery& delivery) {
  ++held_;
  last_delivery_ = std::chrono::steady_clock::now();
  if (delivery.damaged()) {
    return Refuse(delivery, {ErrorCode::kProtocol, "the message is too large or its headers are not well formed", ""});
  }
  const wire::Envelope envelope = wire::ReadEnvelope(delivery.properties);
  Job job{shared_from_this(),
          delivery.delivery_tag,
          delivery.redelivered,
          std::string(envelope.correlation_id),
          std::string(envelope.reply_to),
          {}};
  Result<wire::Request> request = wire::DecodeRequest(delivery.properties, std::move(delivery.body));
  if (!request) return Refuse(delivery, request.error());
  job.request = std::move(*request);
  if (GiveBack(delivery, job)) return;
  job.first = flag_.works() && !job.redelivered;
  if (job.request.claim && !job.request.retry_safe) flag_.Need();
  hooks_.on_job(std::move(job));
}

// True when it was given back, to learn whether the shard marks what it delivers again.
bool ShardConsumer::GiveBack(const amqp::Delivery& delivery, const Job& job) {
  if (stopping_) return false;
  const amqp_basic_properties_t& properties = delivery.properties;
  const bool transient = (properties._flags & AMQP_BASIC_DELIVERY_MODE_FLAG) == 0 ||
                         properties.delivery_mode == AMQP_DELIVERY_NONPERSISTENT;
  const bool was_lost = flag_.lost();
  const bool give_back =
      flag_.OnDelivery(last_delivery_, {job.correlation_id, delivery.redelivered, transient, job.request.retry_safe});
  if (flag_.lost() && !was_lost) {
    program::Log(
        program::LogLevel::kInfo,
        "the broker does not mark what it delivers again from this shard: workers ask the proxy before they run "
        "what must not run twice",
        {{"shard", shard_}});
  }
  if (!give_back) return false;
  channel_->Reject(delivery.delivery_tag, true);
  --held_;
  return true;
}

void ShardConsumer::Refuse(const amqp::Delivery& delivery, const Error& error) {
  const wire::Envelope envelope = wire::ReadEnvelope(delivery.properties);
  if (!envelope.reply_to.empty() && !envelope.correlation_id.empty()) {
    Job job{shared_from_this(),
            delivery.delivery_tag,
            delivery.redelivered,
            std::string(envelope.correlation_id),
            std::string(envelope.reply_to),
            {}};
    Answer(job, PlainResponse(502, "The worker cannot read the request: " + error.ToString() + "."));
  } else {
    channel_->Reject(delivery.delivery_tag, false);
    --held_;
  }
  if (hooks_.on_malformed) hooks_.on_malformed(error.Within(shard_));
}

int ShardConsumer::Answer(const Job& job, const wire::Response& response) {
  int status = response.status;
  if (channel_->is_open() && !job.reply_to.empty()) {
    const amqp_basic_properties_t* properties = &encoder_.Encode(response, job.correlation_id);
    wire::Response refusal;
    std::string_view body = response.body;
    if (!encoder_.Fits(connection_->frame_max())) {
      refusal = PlainResponse(502, "The application's response fields are too large to be passed on.");
      refusal.node = response.node;
      refusal.shard = response.shard;
      refusal.worker = response.worker;
      status = refusal.status;
      body = refusal.body;
      properties = &encoder_.Encode(refusal, job.correlation_id);
    }
    // Not mandatory: a reply queue that is gone means that nobody waits any more.
    (void)channel_->Publish("", job.reply_to, false, *properties, body);
  }
  Done(job.delivery_tag);
  return status;
}

void ShardConsumer::Drop(const Job& job) { Done(job.delivery_tag); }

bool ShardConsumer::Accept(const Job& job, std::string_view attempt) {
  if (!CanTell(job)) return false;
  wire::ControlEncoder encoder;
  const amqp_basic_properties_t& properties = encoder.EncodeAccept(job.correlation_id, *inbox_, attempt);
  return channel_->Publish("", job.reply_to, false, properties, "").has_value();
}

bool ShardConsumer::Claim(const Job& job, std::string_view attempt) {
  if (!CanTell(job)) return false;
  wire::ControlEncoder encoder;
  const amqp_basic_properties_t& properties = encoder.EncodeClaim(job.correlation_id, *inbox_, attempt);
  return channel_->Publish("", job.reply_to, true, properties, "").has_value();
}

bool ShardConsumer::CanTell(const Job& job) const {
  return !inbox_->empty() && !job.reply_to.empty() && !job.correlation_id.empty() && channel_->is_open();
}

void ShardConsumer::Done(std::uint64_t delivery_tag) {
  channel_->Ack(delivery_tag);
  --held_;
  if (cancelled_ && held_ == 0) channel_->Close();
}

}  // namespace warren::worker
