// See cluster_event.h.
#include "coordinator/cluster_event.h"

#include "shardmgr/broker/amqp/table.h"

namespace warren::coordinator {
namespace {

constexpr std::size_t kLongestKindBytes = 64;

std::string Text(const amqp_table_t& headers, std::string_view key) {
  return std::string(amqp::AsText(amqp::Find(headers, key)).value_or(std::string_view()));
}

bool Truth(const amqp_table_t& headers, std::string_view key) {
  return amqp::AsBool(amqp::Find(headers, key)).value_or(false);
}

}  // namespace

std::optional<ClusterEvent> ParseClusterEvent(std::string_view routing_key, const amqp_table_t& headers) {
  if (routing_key.empty() || routing_key.size() > kLongestKindBytes) return std::nullopt;
  ClusterEvent event;
  event.kind = routing_key;
  event.vhost = Text(headers, "vhost");
  event.name = Text(headers, "name");
  event.component = Text(headers, "component");
  if (event.kind.starts_with("permission.")) event.user = Text(headers, "user");
  if (event.kind.starts_with("exchange.")) {
    event.type = Text(headers, "type");
    event.durable = Truth(headers, "durable");
    event.auto_delete = Truth(headers, "auto_delete");
    event.internal = Truth(headers, "internal");
  }
  if (event.kind.starts_with("binding.")) {
    event.source = Text(headers, "source_name");
    event.destination = Text(headers, "destination_name");
    event.to_queue = Text(headers, "destination_kind") != "exchange";
    event.routing_key = Text(headers, "routing_key");
  }
  return event;
}

}  // namespace warren::coordinator
