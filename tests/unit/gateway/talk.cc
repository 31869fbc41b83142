// The two sides' frames.
#include "talk.h"

#include <fmt/format.h>

#include <algorithm>

namespace warren::gateway {
namespace {

/// "AMQP_BASIC_CONSUME_OK_METHOD" as "basic.consume-ok".
std::string NameOfMethod(MethodId method) {
  std::string name = amqp_method_name(method);
  name = name.substr(5, name.size() - 5 - 7);
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  name[name.find('_')] = '.';
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

std::string Details(MethodId method, std::string_view arguments) {
  switch (method) {
    case AMQP_BASIC_CONSUME_METHOD: {
      const auto consume = ReadConsume(arguments);
      return fmt::format(" {}|{}", consume->queue, consume->tag);
    }
    case AMQP_BASIC_CONSUME_OK_METHOD:
    case AMQP_BASIC_CANCEL_OK_METHOD: return fmt::format(" {}", *ReadTag(arguments));
    case AMQP_BASIC_CANCEL_METHOD: return fmt::format(" {}", ReadCancel(arguments)->tag);
    case AMQP_BASIC_DELIVER_METHOD: {
      const auto deliver = ReadDeliver(arguments);
      return fmt::format(" {} {}", deliver->tag, deliver->delivery_tag);
    }
    case AMQP_BASIC_QOS_METHOD: {
      ArgumentReader in(arguments);
      in.U32();
      return fmt::format(" {}", in.U16());
    }
    case AMQP_BASIC_GET_METHOD:
    case AMQP_QUEUE_PURGE_METHOD: return fmt::format(" {}", ReadQueueAndBit(arguments)->queue);
    case AMQP_QUEUE_DECLARE_METHOD: return fmt::format(" {}", ReadDeclare(arguments)->queue);
    case AMQP_QUEUE_DECLARE_OK_METHOD: {
      const auto declared = ReadDeclared(arguments);
      return fmt::format(" {} {} {}", declared->queue, declared->messages, declared->consumers);
    }
    case AMQP_QUEUE_PURGE_OK_METHOD: return fmt::format(" {}", ArgumentReader(arguments).U32());
    case AMQP_CHANNEL_CLOSE_METHOD:
    case AMQP_CONNECTION_CLOSE_METHOD: {
      const auto close = ReadClose(arguments);
      return fmt::format(" {} {}", close->code, close->text);
    }
    default: return {};
  }
}

}  // namespace

std::vector<std::string> Lines(std::string_view frames) {
  std::vector<std::string> lines;
  while (!frames.empty()) {
    const auto frame = amqp::SplitFrame(frames, 1u << 20);
    if (!frame || !*frame) {
      lines.emplace_back("no frame");
      return lines;
    }
    frames.remove_prefix(amqp::FrameBytes(**frame));
    const std::string channel = std::to_string((*frame)->channel) + " ";
    switch ((*frame)->type) {
      case amqp::FrameType::kMethod: {
        const MethodId method = MethodOf((*frame)->payload);
        lines.push_back(channel + NameOfMethod(method) + Details(method, (*frame)->payload.substr(4)));
        break;
      }
      case amqp::FrameType::kHeader: lines.push_back(channel + "header"); break;
      case amqp::FrameType::kBody: lines.push_back(channel + "body " + std::string((*frame)->payload)); break;
      default: lines.push_back(channel + "heartbeat");
    }
  }
  return lines;
}

Talk::Talk() { SetQueues({ShardOn("n1"), ShardOn("n2"), ShardOn("n3")}); }

void Talk::SetQueues(const Strings& queues) {
  Topology seen;
  for (const std::string& name : queues) {
    Queue queue;
    queue.vhost = "/";
    queue.name = name;
    queue.state = "running";
    const std::size_t node = name.find(" - ");
    queue.node = node == std::string::npos ? "n1" : name.substr(node + 3, 2);
    queue.consumers = 0;
    seen.queues.push_back(queue);
    Binding binding;
    binding.vhost = "/";
    binding.source = kExchange;
    binding.destination = name;
    seen.bindings.push_back(binding);
  }
  streams_ = std::make_shared<StreamMap>(seen);
}

void Talk::Begin(ConversationOptions options, bool wants_cancel_notice) {
  conversation = std::make_unique<Conversation>(options, *this);
  client_left_.clear();
  std::string capabilities;
  if (wants_cancel_notice) {
    capabilities = std::string(
        "\x0c"
        "capabilitiesF\0\0\0\x19\x16"
        "consumer_cancel_notifyt\x01",
        43);
  }
  std::string bytes = std::string("AMQP\0\0\x09\x01", 8);
  FrameWriter(bytes, 0, AMQP_CONNECTION_START_OK_METHOD)
      .LongString(capabilities)
      .ShortString("PLAIN")
      .LongString(std::string("\0ann\0secret", 11))
      .ShortString("en_US")
      .End();
  FrameWriter(bytes, 0, AMQP_CONNECTION_TUNE_OK_METHOD).U16(2047).U32(131'072).U16(60).End();
  FrameWriter(bytes, 0, AMQP_CONNECTION_OPEN_METHOD).ShortString("/").ShortString("").U8(0).End();
  FrameWriter(bytes, 1, AMQP_CHANNEL_OPEN_METHOD).ShortString("").End();
  Client(bytes);
  std::string answer;
  FrameWriter(answer, 0, AMQP_CONNECTION_OPEN_OK_METHOD).ShortString("").End();
  FrameWriter(answer, 1, AMQP_CHANNEL_OPEN_OK_METHOD).LongString("").End();
  Broker(answer);
  ASSERT_TRUE(conversation->open());
}

void Talk::Take(Output& out) {
  const auto lines = [](const std::string& bytes) { return bytes.starts_with("AMQP") ? Strings() : Lines(bytes); };
  to_client = lines(out.to_client);
  to_broker = lines(out.to_broker);
}

Talk::Strings Talk::Client(const std::string& bytes) {
  Output out;
  client_left_ += bytes;
  client_left_.erase(0, conversation->FromClient(client_left_, now, out));
  Take(out);
  return to_broker;
}

Talk::Strings Talk::Broker(const std::string& bytes) {
  Output out;
  EXPECT_EQ(conversation->FromBroker(bytes, now, out), bytes.size());
  if (!client_left_.empty() && !conversation->stalled()) {
    client_left_.erase(0, conversation->FromClient(client_left_, now, out));
  }
  Take(out);
  return to_client;
}

Talk::Strings Talk::Shards(ConsumerId consumer, const Strings& queues, bool known) {
  Output out;
  conversation->OnShards(consumer, queues, known, now, out);
  if (!client_left_.empty() && !conversation->stalled()) {
    client_left_.erase(0, conversation->FromClient(client_left_, now, out));
  }
  Take(out);
  return to_broker;
}

Talk::Strings Talk::Pass(std::chrono::milliseconds time) {
  Output out;
  now += time;
  conversation->Tick(now, out);
  Take(out);
  return to_broker;
}

std::string Talk::Method(MethodId method, std::uint16_t channel) {
  std::string bytes;
  AppendBare(bytes, channel, method);
  return bytes;
}

std::string Talk::ConsumeOf(const std::string& queue, const std::string& tag, std::uint8_t flags) {
  std::string bytes;
  AppendConsume(bytes, 1, {queue, tag, flags, std::string_view("\0\0\0\0", 4)});
  return bytes;
}

std::string Talk::ConsumeOk(const std::string& tag) {
  std::string bytes;
  AppendTag(bytes, 1, AMQP_BASIC_CONSUME_OK_METHOD, tag);
  return bytes;
}

std::string Talk::CancelOk(const std::string& tag) {
  std::string bytes;
  AppendTag(bytes, 1, AMQP_BASIC_CANCEL_OK_METHOD, tag);
  return bytes;
}

std::string Talk::Content(const std::string& body) {
  std::string bytes;
  FrameWriter(bytes, amqp::FrameType::kHeader, 1).U16(60).U16(0).U64(body.size()).U16(0).End();
  if (!body.empty()) FrameWriter(bytes, amqp::FrameType::kBody, 1).Raw(body).End();
  return bytes;
}

std::string Talk::DeliverTo(const std::string& tag, std::uint64_t delivery_tag, const std::string& body) {
  std::string bytes;
  FrameWriter(bytes, 1, AMQP_BASIC_DELIVER_METHOD)
      .ShortString(tag)
      .U64(delivery_tag)
      .U8(0)
      .ShortString(kExchange)
      .ShortString("key")
      .End();
  return bytes + Content(body);
}

std::string Talk::Ack(std::uint64_t delivery_tag, bool multiple) {
  std::string bytes;
  FrameWriter(bytes, 1, AMQP_BASIC_ACK_METHOD).U64(delivery_tag).U8(multiple ? 1 : 0).End();
  return bytes;
}

void Talk::ConsumeStream(std::uint16_t prefetch, const Strings& shards) {
  std::string bytes;
  AppendQos(bytes, 1, prefetch);
  Client(bytes + ConsumeOf(kExchange, "c"));
  Broker(Method(AMQP_BASIC_QOS_OK_METHOD));
  ASSERT_EQ(joined.size(), 1u);
  std::string answers;
  for (const std::string& tag : TagsIn(Shards(joined.begin()->first, shards))) answers += ConsumeOk(tag);
  for (const std::string& line : to_broker) {
    if (line.find("basic.qos") != std::string::npos) answers += Method(AMQP_BASIC_QOS_OK_METHOD);
  }
  Broker(answers);
}

Talk::Strings Talk::TagsIn(const Strings& lines) {
  Strings tags;
  for (const std::string& line : lines) {
    if (line.find("basic.consume ") != std::string::npos) tags.push_back(line.substr(line.rfind('|') + 1));
  }
  return tags;
}

}  // namespace warren::gateway
