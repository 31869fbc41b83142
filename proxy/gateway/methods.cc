// One reader and one writer each, in the order of their fields.
#include "proxy/gateway/methods.h"

namespace warren::gateway {

void FrameWriter::End() {
  constexpr std::size_t kHeadBytes = 7;
  const std::size_t size = out_.size() - start_ - kHeadBytes;
  for (std::size_t at = 0; at < 4; ++at) {
    out_[start_ + 3 + at] = static_cast<char>(size >> (8 * (3 - at)) & 0xff);
  }
  out_ += '\xCE';
}

MethodId MethodOf(std::string_view payload) { return ArgumentReader(payload).U32(); }

std::optional<Tune> ReadTune(std::string_view arguments) {
  ArgumentReader in(arguments);
  Tune tune;
  tune.channel_max = in.U16();
  tune.frame_max = in.U32();
  tune.heartbeat_s = in.U16();
  return in.done() ? std::optional(tune) : std::nullopt;
}

std::optional<Consume> ReadConsume(std::string_view arguments) {
  ArgumentReader in(arguments);
  Consume consume;
  in.U16();  // Reserved, as in all that follow.
  consume.queue = in.ShortString();
  consume.tag = in.ShortString();
  consume.flags = in.U8();
  consume.arguments = in.Table();
  return in.done() ? std::optional(consume) : std::nullopt;
}

std::optional<Declare> ReadDeclare(std::string_view arguments) {
  ArgumentReader in(arguments);
  Declare declare;
  in.U16();
  declare.queue = in.ShortString();
  declare.flags = in.U8();
  in.Table();
  return in.done() ? std::optional(declare) : std::nullopt;
}

std::optional<Declared> ReadDeclared(std::string_view arguments) {
  ArgumentReader in(arguments);
  Declared declared;
  declared.queue = in.ShortString();
  declared.messages = in.U32();
  declared.consumers = in.U32();
  return in.done() ? std::optional(declared) : std::nullopt;
}

std::optional<Deliver> ReadDeliver(std::string_view arguments) {
  ArgumentReader in(arguments);
  Deliver deliver;
  deliver.tag = in.ShortString();
  deliver.after_tag = in.rest();
  deliver.delivery_tag = in.U64();
  return in.ok() ? std::optional(deliver) : std::nullopt;
}

std::optional<Settlement> ReadSettlement(MethodId method, std::string_view arguments) {
  ArgumentReader in(arguments);
  Settlement settlement;
  settlement.delivery_tag = in.U64();
  const std::uint8_t bits = in.U8();
  settlement.multiple = method != AMQP_BASIC_REJECT_METHOD && (bits & 1) != 0;  // The one bit of reject is requeue.
  return in.done() ? std::optional(settlement) : std::nullopt;
}

std::optional<Cancel> ReadCancel(std::string_view arguments) {
  ArgumentReader in(arguments);
  Cancel cancel;
  cancel.tag = in.ShortString();
  cancel.no_wait = (in.U8() & 1) != 0;
  return in.done() ? std::optional(cancel) : std::nullopt;
}

std::optional<std::string_view> ReadTag(std::string_view arguments) {
  ArgumentReader in(arguments);
  const std::string_view tag = in.ShortString();
  return in.done() ? std::optional(tag) : std::nullopt;
}

std::optional<std::string_view> ReadQueue(std::string_view arguments) {
  ArgumentReader in(arguments);
  in.U16();
  const std::string_view queue = in.ShortString();
  return in.ok() ? std::optional(queue) : std::nullopt;
}

std::optional<QueueAndBit> ReadQueueAndBit(std::string_view arguments) {
  ArgumentReader in(arguments);
  QueueAndBit read;
  in.U16();
  read.queue = in.ShortString();
  read.bit = (in.U8() & 1) != 0;
  return in.done() ? std::optional(read) : std::nullopt;
}

std::optional<std::string_view> ReadTable(MethodId method, std::string_view arguments) {
  int names = 0;
  bool bits = true;
  switch (method) {
    case AMQP_QUEUE_DECLARE_METHOD: names = 1; break;
    case AMQP_EXCHANGE_DECLARE_METHOD:
    case AMQP_BASIC_CONSUME_METHOD: names = 2; break;
    case AMQP_EXCHANGE_BIND_METHOD:
    case AMQP_EXCHANGE_UNBIND_METHOD:
    case AMQP_QUEUE_BIND_METHOD: names = 3; break;
    case AMQP_QUEUE_UNBIND_METHOD:
      names = 3;
      bits = false;
      break;
    default: return std::nullopt;
  }
  ArgumentReader in(arguments);
  in.U16();
  while (names-- > 0) in.ShortString();
  if (bits) in.U8();
  const std::string_view table = in.Table();
  return in.done() ? std::optional(table) : std::nullopt;
}

std::optional<Close> ReadClose(std::string_view arguments) {
  ArgumentReader in(arguments);
  Close close;
  close.code = in.U16();
  close.text = in.ShortString();
  close.cause = in.U32();
  return in.done() ? std::optional(std::move(close)) : std::nullopt;
}

void AppendClose(std::string& out, std::uint16_t channel, MethodId method, const Close& close) {
  FrameWriter(out, channel, method).U16(close.code).ShortString(close.text).U32(close.cause).End();
}

void AppendBare(std::string& out, std::uint16_t channel, MethodId method) { FrameWriter(out, channel, method).End(); }

void AppendConsume(std::string& out, std::uint16_t channel, const Consume& consume) {
  FrameWriter frame(out, channel, AMQP_BASIC_CONSUME_METHOD);
  frame.U16(0).ShortString(consume.queue).ShortString(consume.tag).U8(consume.flags).Raw(consume.arguments).End();
}

void AppendTag(std::string& out, std::uint16_t channel, MethodId method, std::string_view tag) {
  FrameWriter(out, channel, method).ShortString(tag).End();
}

void AppendCancel(std::string& out, std::uint16_t channel, std::string_view tag, bool no_wait) {
  FrameWriter(out, channel, AMQP_BASIC_CANCEL_METHOD).ShortString(tag).U8(no_wait ? 1 : 0).End();
}

void AppendDeliver(std::string& out, std::uint16_t channel, std::string_view tag, std::string_view after_tag) {
  FrameWriter(out, channel, AMQP_BASIC_DELIVER_METHOD).ShortString(tag).Raw(after_tag).End();
}

void AppendQos(std::string& out, std::uint16_t channel, std::uint16_t prefetch) {
  FrameWriter(out, channel, AMQP_BASIC_QOS_METHOD).U32(0).U16(prefetch).U8(0).End();
}

void AppendGet(std::string& out, std::uint16_t channel, std::string_view queue, bool no_ack) {
  FrameWriter(out, channel, AMQP_BASIC_GET_METHOD).U16(0).ShortString(queue).U8(no_ack ? 1 : 0).End();
}

void AppendGetEmpty(std::string& out, std::uint16_t channel) {
  FrameWriter(out, channel, AMQP_BASIC_GET_EMPTY_METHOD).ShortString("").End();
}

void AppendPassiveDeclare(std::string& out, std::uint16_t channel, std::string_view queue) {
  FrameWriter(out, channel, AMQP_QUEUE_DECLARE_METHOD).U16(0).ShortString(queue).U8(Declare::kPassive).U32(0).End();
}

void AppendDeclared(std::string& out, std::uint16_t channel, const Declared& declared) {
  FrameWriter frame(out, channel, AMQP_QUEUE_DECLARE_OK_METHOD);
  frame.ShortString(declared.queue).U32(declared.messages).U32(declared.consumers).End();
}

void AppendPurge(std::string& out, std::uint16_t channel, std::string_view queue) {
  FrameWriter(out, channel, AMQP_QUEUE_PURGE_METHOD).U16(0).ShortString(queue).U8(0).End();
}

void AppendPurged(std::string& out, std::uint16_t channel, std::uint32_t messages) {
  FrameWriter(out, channel, AMQP_QUEUE_PURGE_OK_METHOD).U32(messages).End();
}

void AppendTune(std::string& out, const Tune& tune) {
  FrameWriter frame(out, 0, AMQP_CONNECTION_TUNE_METHOD);
  frame.U16(tune.channel_max).U32(tune.frame_max).U16(tune.heartbeat_s).End();
}

}  // namespace warren::gateway
