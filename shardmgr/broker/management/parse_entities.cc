// Parsers for what lives in virtual hosts: exchanges, queues, bindings, policies, consumers.
#include <map>
#include <utility>

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
  exchange.policy = reader.StringOr("policy");
  return exchange;
}

/// message_stats.<steps…>, where the broker has measured it; else null.
const nlohmann::json* FindStatistic(const FieldReader& reader, std::initializer_list<std::string> steps) {
  const nlohmann::json* value = reader.Find("message_stats");
  for (const std::string& step : steps) {
    if (value == nullptr || !value->is_object()) return nullptr;
    const auto found = value->find(step);
    value = found == value->end() ? nullptr : &*found;
  }
  return value;
}

std::optional<double> ReadRate(const FieldReader& reader, const std::string& name) {
  const nlohmann::json* value = FindStatistic(reader, {name + "_details", "rate"});
  if (value == nullptr || !value->is_number()) return std::nullopt;
  return value->get<double>();
}

std::optional<std::uint64_t> ReadTotal(const FieldReader& reader, const std::string& name) {
  const nlohmann::json* value = FindStatistic(reader, {name});
  if (value == nullptr || !value->is_number_unsigned()) return std::nullopt;
  return value->get<std::uint64_t>();
}

std::vector<std::string> ReadStrings(const FieldReader& reader, std::string_view name) {
  std::vector<std::string> strings;
  const nlohmann::json* list = reader.Find(name);
  if (list == nullptr || !list->is_array()) return strings;
  for (const auto& entry : *list) {
    if (entry.is_string()) strings.push_back(entry.get<std::string>());
  }
  return strings;
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
  queue.published = ReadTotal(reader, "publish");
  queue.members = ReadStrings(reader, "members");
  queue.policy = reader.StringOr("policy");
  queue.operator_policy = reader.StringOr("operator_policy");
  queue.policy_definition = reader.ObjectOr("effective_policy_definition");
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

BrokerPolicy ReadPolicy(FieldReader& reader) {
  BrokerPolicy policy;
  policy.vhost = reader.NeedString("vhost");
  policy.name = reader.NeedString("name");
  policy.definition = reader.ObjectOr("definition");
  return policy;
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

void TakeCounts(const std::vector<Queue>& totals, std::vector<Queue>& queues) {
  std::map<std::pair<std::string_view, std::string_view>, const Queue*> by_name;
  for (const Queue& queue : totals) by_name.try_emplace({queue.vhost, queue.name}, &queue);
  for (Queue& queue : queues) {
    const auto found = by_name.find({queue.vhost, queue.name});
    queue.ready = found == by_name.end() ? std::nullopt : found->second->ready;
    queue.unacked = found == by_name.end() ? std::nullopt : found->second->unacked;
  }
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

Result<std::vector<BrokerPolicy>> ParseBrokerPolicies(const nlohmann::json& document) {
  return ParseList<BrokerPolicy>(document, "policies", ReadPolicy);
}

Result<std::optional<std::string>> FindPropertiesKey(const nlohmann::json& document, std::string_view routing_key,
                                                     const nlohmann::json& arguments) {
  std::optional<std::string> key;
  auto all = ParseList<bool>(document, "bindings", [&](FieldReader& reader) {
    const bool matches = reader.NeedString("routing_key") == routing_key && reader.ObjectOr("arguments") == arguments;
    const std::string found = reader.NeedString("properties_key");
    if (matches) key = found;
    return matches;
  });
  if (!all) return tl::unexpected(all.error());
  return key;
}

Result<std::vector<Consumer>> ParseConsumers(const nlohmann::json& document) {
  return ParseList<Consumer>(document, "consumers", ReadConsumer);
}

}  // namespace warren::management
