// Methods: those that the gateway reads or writes, as values, and their frames. Readers take the payload of a method
// frame after its class and method and give nothing when that is not well formed: such a frame goes on as it is.
// Views point into what was read. Field orders: AMQP 0-9-1 reference, and RabbitMQ's extensions to it. Pure.
#pragma once

#include <amqp.h>
#include <amqp_framing.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/gateway/arguments.h"

namespace warren::gateway {

/// connection.tune, connection.tune-ok
struct Tune {
  std::uint16_t channel_max = 0;
  std::uint32_t frame_max = 0;  ///< 0: no limit.
  std::uint16_t heartbeat_s = 0;
};
std::optional<Tune> ReadTune(std::string_view arguments);

/// basic.consume
struct Consume {
  std::string_view queue, tag;
  std::uint8_t flags = 0;
  std::string_view arguments;  ///< A table, length included.

  static constexpr std::uint8_t kNoAck = 2, kExclusive = 4, kNoWait = 8;
};
std::optional<Consume> ReadConsume(std::string_view arguments);

/// queue.declare
struct Declare {
  std::string_view queue;
  std::uint8_t flags = 0;

  static constexpr std::uint8_t kPassive = 1, kNoWait = 16;
};
std::optional<Declare> ReadDeclare(std::string_view arguments);

/// queue.declare-ok
struct Declared {
  std::string_view queue;
  std::uint32_t messages = 0, consumers = 0;
};
std::optional<Declared> ReadDeclared(std::string_view arguments);

/// basic.deliver: the tag, and all that follows it.
struct Deliver {
  std::string_view tag;
  std::uint64_t delivery_tag = 0;
  std::string_view after_tag;
};
std::optional<Deliver> ReadDeliver(std::string_view arguments);

/// basic.ack, basic.nack, basic.reject: which deliveries are settled.
struct Settlement {
  std::uint64_t delivery_tag = 0;
  bool multiple = false;
};
std::optional<Settlement> ReadSettlement(MethodId method, std::string_view arguments);

/// basic.cancel in either direction; basic.consume-ok and basic.cancel-ok have the tag alone.
struct Cancel {
  std::string_view tag;
  bool no_wait = false;
};
std::optional<Cancel> ReadCancel(std::string_view arguments);
std::optional<std::string_view> ReadTag(std::string_view arguments);

/// queue.bind, queue.unbind, queue.delete, queue.purge, basic.get: all begin with the queue.
std::optional<std::string_view> ReadQueue(std::string_view arguments);
/// queue.purge: queue and no-wait. basic.get: queue and no-ack, which is the same bit.
struct QueueAndBit {
  std::string_view queue;
  bool bit = false;
};
std::optional<QueueAndBit> ReadQueueAndBit(std::string_view arguments);

/// The table among the arguments of a client's method on a channel, with its length; nothing where there is none.
std::optional<std::string_view> ReadTable(MethodId method, std::string_view arguments);

/// channel.close, connection.close
struct Close {
  std::uint16_t code = 0;
  std::string text;
  MethodId cause = 0;  ///< 0: none.
};
std::optional<Close> ReadClose(std::string_view arguments);
void AppendClose(std::string& out, std::uint16_t channel, MethodId method, const Close& close);

/// A method without arguments.
void AppendBare(std::string& out, std::uint16_t channel, MethodId method);
void AppendConsume(std::string& out, std::uint16_t channel, const Consume& consume);
/// basic.consume-ok, basic.cancel-ok
void AppendTag(std::string& out, std::uint16_t channel, MethodId method, std::string_view tag);
void AppendCancel(std::string& out, std::uint16_t channel, std::string_view tag, bool no_wait);
void AppendDeliver(std::string& out, std::uint16_t channel, std::string_view tag, std::string_view after_tag);
/// basic.qos for the consumers that follow.
void AppendQos(std::string& out, std::uint16_t channel, std::uint16_t prefetch);
void AppendGet(std::string& out, std::uint16_t channel, std::string_view queue, bool no_ack);
void AppendGetEmpty(std::string& out, std::uint16_t channel);
void AppendPassiveDeclare(std::string& out, std::uint16_t channel, std::string_view queue);
void AppendDeclared(std::string& out, std::uint16_t channel, const Declared& declared);
void AppendPurge(std::string& out, std::uint16_t channel, std::string_view queue);
void AppendPurged(std::string& out, std::uint16_t channel, std::uint32_t messages);
void AppendTune(std::string& out, const Tune& tune);

/// Class and method of a method frame's payload; 0: too short to have them.
MethodId MethodOf(std::string_view payload);

}  // namespace warren::gateway
