// Calls, deliveries, returns and confirms of one channel.
#include "shardmgr/broker/amqp/channel_state.h"

#include <algorithm>
#include <utility>

#include "shardmgr/broker/amqp/protocol.h"

namespace warren::amqp {
namespace {

constexpr std::uint64_t kReserveAtMostBytes = 1u << 20;  // Announced sizes are a stranger's claim.

ErrorCode CodeOfClose(std::uint16_t reply_code) {
  switch (reply_code) {
    case AMQP_NOT_FOUND: return ErrorCode::kNotFound;
    case AMQP_ACCESS_REFUSED: return ErrorCode::kForbidden;
    case AMQP_PRECONDITION_FAILED:
    case AMQP_RESOURCE_LOCKED: return ErrorCode::kConflict;
    default: return ErrorCode::kProtocol;
  }
}

}  // namespace

void ChannelState::Call(amqp_method_number_t id, void* method, amqp_method_number_t reply_id, OnReply on_reply,
                        bool names_fit) {
  Error fault = closed_because_;
  if (!names_fit) {
    fault = {ErrorCode::kInvalid, "a name or the name of an argument is longer than 255 bytes", protocol_->Where()};
  } else if (is_open()) {
    const Result<void> sent = protocol_->SendMethod(number_, id, method);
    if (sent) {
      pending_.push_back({reply_id, std::move(on_reply)});
      return;
    }
    fault = sent.error();
  }
  protocol_->Defer([on_reply = std::move(on_reply), fault] { on_reply(tl::unexpected(fault)); });
}

bool ChannelState::Send(amqp_method_number_t id, void* method) {
  return is_open() && protocol_->SendMethod(number_, id, method).has_value();
}

Result<std::uint64_t> ChannelState::Publish(amqp_basic_publish_t& method, const amqp_basic_properties_t& properties,
                                            std::string_view body) {
  if (!is_open()) return tl::unexpected(closed_because_);
  if (!NamesFit({View(method.exchange), View(method.routing_key)}, amqp_empty_table)) {
    return Fail(ErrorCode::kInvalid, "the exchange's name or the routing key is longer than 255 bytes");
  }
  if (auto sent = protocol_->SendContent(number_, method, properties, body); !sent) return tl::unexpected(sent.error());
  if (!confirming_) return 0;
  confirmed_.push_back(false);
  return next_sequence_++;
}

void ChannelState::AddConsumer(const std::string& tag, Channel::OnDelivery on_delivery) {
  consumers_.insert_or_assign(tag, std::make_shared<Channel::OnDelivery>(std::move(on_delivery)));
}

void ChannelState::RemoveConsumer(std::string_view tag) {
  if (const auto consumer = consumers_.find(tag); consumer != consumers_.end()) consumers_.erase(consumer);
}

void ChannelState::Close() {
  if (!is_open()) return;
  amqp_channel_close_t close{AMQP_REPLY_SUCCESS, Bytes("goodbye"), 0, 0};
  (void)Send(AMQP_CHANNEL_CLOSE_METHOD, &close);
  state_ = State::kClosing;
  closed_because_ = {ErrorCode::kUnavailable, "the channel was closed by us", protocol_->Where()};
}

void ChannelState::Abandon() {
  SetHandlers({});
  consumers_.clear();
  pending_.clear();
  Close();
}

Result<void> ChannelState::OnFrame(const Frame& frame) {
  if (state_ == State::kOver) return {};
  switch (frame.type) {
    case FrameType::kMethod: return OnMethod(frame.payload);
    case FrameType::kHeader: return state_ == State::kClosing ? Result<void>{} : OnHeader(frame.payload);
    case FrameType::kBody: return state_ == State::kClosing ? Result<void>{} : OnBody(frame.payload);
    case FrameType::kHeartbeat: break;
  }
  return {};
}

Result<void> ChannelState::OnMethod(std::string_view payload) {
  if (StartsContent(payload) && state_ == State::kOpen && content_.stage == Content::Stage::kNone) {
    return StartContent(payload);
  }
  method_pool_.Recycle();
  const Result<Method> method = DecodeMethod(payload, method_pool_);
  if (!method) return tl::unexpected(method.error());
  if (method->id == AMQP_CHANNEL_CLOSE_METHOD) {
    OnChannelClose(method->As<amqp_channel_close_t>());
    return {};
  }
  if (state_ == State::kClosing) {
    if (method->id == AMQP_CHANNEL_CLOSE_OK_METHOD) Finish(closed_because_);
    return {};
  }
  if (content_.stage != Content::Stage::kNone) {
    return Fail(ErrorCode::kProtocol, "a method came where content was due");
  }
  switch (method->id) {
    case AMQP_BASIC_ACK_METHOD: {
      const auto& ack = method->As<amqp_basic_ack_t>();
      return Confirm(ack.delivery_tag, ack.multiple, true);
    }
    case AMQP_BASIC_NACK_METHOD: {
      const auto& nack = method->As<amqp_basic_nack_t>();
      return Confirm(nack.delivery_tag, nack.multiple, false);
    }
    case AMQP_BASIC_CANCEL_METHOD: OnServerCancel(method->As<amqp_basic_cancel_t>()); return {};
    case AMQP_CHANNEL_FLOW_METHOD: {
      amqp_channel_flow_ok_t ok{method->As<amqp_channel_flow_t>().active};
      (void)Send(AMQP_CHANNEL_FLOW_OK_METHOD, &ok);
      return {};
    }
    default: return OnReplyMethod(*method);
  }
}

Result<void> ChannelState::OnReplyMethod(const Method& method) {
  if (pending_.empty() || pending_.front().reply_id != method.id) {
    return Fail(ErrorCode::kProtocol, "the broker answered with a method that nobody waits for");
  }
  const OnReply on_reply = std::move(pending_.front().on_reply);
  pending_.pop_front();
  if (on_reply) on_reply(method);
  return {};
}

void ChannelState::OnChannelClose(const amqp_channel_close_t& close) {
  const Error fault{CodeOfClose(close.reply_code),
                    std::string(View(close.reply_text)) + " (" + std::to_string(close.reply_code) + ")",
                    protocol_->Where()};
  amqp_channel_close_ok_t ok{};
  (void)protocol_->SendMethod(number_, AMQP_CHANNEL_CLOSE_OK_METHOD, &ok);
  // When both closed it at the same time the broker still answers ours, and the number is taken until then.
  if (state_ != State::kClosing) Finish(fault);
}

void ChannelState::OnServerCancel(const amqp_basic_cancel_t& cancel) {
  const std::string tag(View(cancel.consumer_tag));
  if (!cancel.nowait) {
    amqp_basic_cancel_ok_t ok{Bytes(tag)};
    (void)Send(AMQP_BASIC_CANCEL_OK_METHOD, &ok);
  }
  RemoveConsumer(tag);
  const auto handlers = handlers_;
  if (handlers->on_cancelled) handlers->on_cancelled(tag);
}

Result<void> ChannelState::StartContent(std::string_view payload) {
  pool_.Recycle();
  content_.method_bytes.assign(payload);
  const Result<Method> method = DecodeMethod(content_.method_bytes, pool_);
  if (!method) return tl::unexpected(method.error());
  content_.method = *method;
  content_.stage = Content::Stage::kHeader;
  return {};
}

Result<void> ChannelState::OnHeader(std::string_view payload) {
  if (content_.stage != Content::Stage::kHeader) return Fail(ErrorCode::kProtocol, "a content header that was not due");
  content_.header_bytes.assign(payload);
  // Malformed properties spoil this message, not the connection that carries others.
  const Result<ContentHeader> header = DecodeContentHeader(content_.header_bytes, pool_);
  if (!header) return tl::unexpected(header.error());
  content_.header = *header;
  content_.too_large = header->body_bytes > protocol_->options().max_message_bytes;
  content_.received_bytes = 0;
  content_.body.clear();
  if (content_.body.capacity() > kReserveAtMostBytes) std::string().swap(content_.body);  // Nobody took the last one.
  if (!content_.too_large) content_.body.reserve(std::min(header->body_bytes, kReserveAtMostBytes));
  content_.stage = Content::Stage::kBody;
  if (header->body_bytes == 0) DispatchContent();
  return {};
}

Result<void> ChannelState::OnBody(std::string_view payload) {
  if (content_.stage != Content::Stage::kBody) return Fail(ErrorCode::kProtocol, "a content body that was not due");
  content_.received_bytes += payload.size();
  if (content_.received_bytes > content_.header.body_bytes) {
    return Fail(ErrorCode::kProtocol, "more content than its header announced");
  }
  if (!content_.too_large) content_.body.append(payload);
  if (content_.received_bytes == content_.header.body_bytes) DispatchContent();
  return {};
}

void ChannelState::DispatchContent() {
  content_.stage = Content::Stage::kNone;
  const amqp_basic_properties_t& properties = *content_.header.properties;
  if (content_.method.id == AMQP_BASIC_DELIVER_METHOD) {
    DispatchDelivery(content_.method.As<amqp_basic_deliver_t>(), properties);
  } else if (const auto handlers = handlers_; handlers->on_return) {
    const auto& back = content_.method.As<amqp_basic_return_t>();
    Returned returned{back.reply_code, View(back.reply_text), View(back.exchange), View(back.routing_key),
                      properties,      content_.body};
    handlers->on_return(returned);
  }
}

void ChannelState::DispatchDelivery(const amqp_basic_deliver_t& deliver, const amqp_basic_properties_t& properties) {
  const auto consumer = consumers_.find(View(deliver.consumer_tag));
  if (consumer == consumers_.end()) return;  // Cancelled meanwhile; the broker requeues when the channel ends.
  const std::shared_ptr<Channel::OnDelivery> on_delivery = consumer->second;
  Delivery delivery{View(deliver.consumer_tag),
                    deliver.delivery_tag,
                    deliver.redelivered != 0,
                    View(deliver.exchange),
                    View(deliver.routing_key),
                    properties,
                    content_.body,
                    content_.header.body_bytes,
                    content_.too_large,
                    content_.header.malformed};
  (*on_delivery)(delivery);
}

Result<void> ChannelState::Confirm(std::uint64_t tag, bool multiple, bool acked) {
  const std::uint64_t end = first_unconfirmed_ + confirmed_.size();
  if (tag >= end) return Fail(ErrorCode::kProtocol, "a confirm for a message that was not published");
  if (!multiple) {
    if (tag >= first_unconfirmed_) ConfirmOne(tag, acked);
    return {};
  }
  const std::uint64_t last = tag == 0 ? end - 1 : tag;  // 0 with multiple: all of them (basic.ack).
  while (!confirmed_.empty() && first_unconfirmed_ <= last) ConfirmOne(first_unconfirmed_, acked);
  return {};
}

void ChannelState::ConfirmOne(std::uint64_t sequence, bool acked) {
  const std::size_t at = sequence - first_unconfirmed_;
  if (confirmed_[at]) return;
  confirmed_[at] = true;
  while (!confirmed_.empty() && confirmed_.front()) {
    confirmed_.pop_front();
    ++first_unconfirmed_;
  }
  const auto handlers = handlers_;
  if (handlers->on_confirm) handlers->on_confirm(sequence, acked);
}

void ChannelState::Finish(const Error& fault) {
  if (state_ == State::kOver) return;
  const auto self = shared_from_this();  // Whoever is told may drop the handle.
  state_ = State::kOver;
  closed_because_ = fault;
  protocol_->ReleaseChannel(number_);
  consumers_.clear();
  const auto handlers = std::exchange(handlers_, std::make_shared<const ChannelHandlers>());
  for (const Pending& pending : std::exchange(pending_, {})) {
    if (pending.on_reply) pending.on_reply(tl::unexpected(fault));
  }
  if (handlers->on_closed) handlers->on_closed(fault);
}

void ChannelState::Forget() {
  state_ = State::kOver;
  closed_because_ = {ErrorCode::kUnavailable, "the connection is gone", {}};
  SetHandlers({});
  consumers_.clear();
  pending_.clear();
}

}  // namespace warren::amqp
