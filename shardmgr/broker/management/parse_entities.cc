// Parsers for what lives in virtual hosts: exchanges, queues, bindings, consumers.
#include "shardmgr/broker/management/parse.h"
#include "shardmgr/broker/management/parse_list.h"

namespace warren::management {
namespace {

Exchange ReadExchange(FieldReader& reader) {
  Exchange exchange;
  exchange.vhost = reader.NeedString("vhost");
  exchange.name = reader.NeedString("name");
  exchange.type = reader.NeedString("type");
  exchange.durable = reader.BoolOr("durable", false);
  exchange.auto_delete = reader.BoolOr("auto_delete", false);
  exchange.internal = reader.BoolOr("internal", false);
  exchange.arguments = reader.ObjectOr("arguments");
  return exchange;
}

/// message_stats.<name>_details.rate, where the broker has measured it.
std::optional<double> ReadRate(const FieldReader& reader, std::string_view name) {
  const nlohmann::json* value = reader.Find("message_stats");
  for (const std::string& step : {std::string(name) + "_details", std::string("rate")}) {
    if (value == nullptr || !value->is_object()) return std::nullopt;
    const auto found = value->find(step);
    value = found == value->end() ? nullptr : &*found;
  }
  if (value == nullptr || !value->is_number()) return std::nullopt;
  return value->get<double>();
}

Queue ReadQueue(FieldReader& reader) {
  Queue queue;
  queue.vhost = reader.NeedString("vhost");
  queue.name = reader.NeedString("name");
  queue.durable = reader.BoolOr("durable", false);
  queue.auto_delete = reader.BoolOr("auto_delete", false);
  queue.exclusive = reader.BoolOr("exclusive", false);
  queue.arguments = reader.ObjectOr("arguments");
  queue.state = reader.StringOr("state");
  const auto declared = queue.arguments.find("x-queue-type");  // The list leaves `type` out for some queues.
  queue.type = reader.StringOr(
      "type", declared != queue.arguments.end() && declared->is_string() ? declared->get<std::string>() : "classic");
  queue.node = reader.StringOr("leader", reader.StringOr("node"));
  queue.ready = reader.OptionalCount("messages_ready");
  queue.unacked = reader.OptionalCount("messages_unacknowledged");
  queue.consumers = reader.OptionalCount("consumers");
  queue.publish_per_second = ReadRate(reader, "publish");
  queue.deliver_per_second = ReadRate(reader, "deliver_get");
  return queue;
}

Binding ReadBinding(FieldReader& reader) {
  Binding binding;
  binding.vhost = reader.NeedString("vhost");
  binding.source = reader.NeedString("source");
  binding.destination = reader.NeedString("destination");
  binding.to_queue = reader.NeedString("destination_type") == "queue";
  binding.routing_key = reader.NeedString("routing_key");
  binding.arguments = reader.ObjectOr("arguments");
  return binding;
}

Consumer ReadConsumer(FieldReader& reader) {
  Consumer consumer;
  consumer.consumer_tag = reader.NeedString("consumer_tag");
  const nlohmann::json queue = reader.ObjectOr("queue");
  FieldReader of_queue(queue, reader.where() + ".queue");
  consumer.queue = of_queue.StringOr("name");
  consumer.vhost = of_queue.StringOr("vhost");
  if (consumer.queue.empty()) reader.NeedString("queue.name");  // Puts the missing field on record.
  const nlohmann::json channel = reader.ObjectOr("channel_details");
  consumer.connection = FieldReader(channel, "channel_details").StringOr("connection_name");
  consumer.prefetch = reader.OptionalCount("prefetch_count");
  consumer.ack_required = reader.BoolOr("ack_required", true);
  consumer.active = reader.BoolOr("active", true);
  return consumer;
}

}  // namespace

Result<std::vector<Exchange>> ParseExchanges(const nlohmann::json& document) {
  return ParseList<Exchange>(document, "exchanges", ReadExchange);
}

Result<std::vector<Queue>> ParseQueues(const nlohmann::json& document) {
  return ParseList<Queue>(document, "queues", ReadQueue);
}

Result<Queue> ParseQueue(const nlohmann::json& document, std::string where) {
  FieldReader reader(document, std::move(where));
  Queue queue = ReadQueue(reader);
  if (reader.error()) return tl::unexpected(*reader.error());
  return queue;
}

Result<std::vector<Binding>> ParseBindings(const nlohmann::json& document) {
  return ParseList<Binding>(document, "bindings", ReadBinding);
}

Result<std::vector<Consumer>> ParseConsumers(const nlohmann::json& document) {
  return ParseList<Consumer>(document, "consumers", ReadConsumer);
}

}  // namespace warren::management
