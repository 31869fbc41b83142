// ClusterEvent: one message of the broker's event exchange, as far as the coordinator cares.
//
// rabbitmq_event_exchange publishes to the topic exchange amq.rabbitmq.event of vhost "/": the event's name
// is the routing key, its facts are headers. Pure.
#pragma once

#include <amqp.h>

#include <optional>
#include <string>
#include <string_view>

namespace warren::coordinator {

inline constexpr const char* kEventExchange = "amq.rabbitmq.event";
inline constexpr const char* kEventVhost = "/";

/// What the coordinator's queue is bound with. Nodes tell of themselves on newer brokers alone.
inline constexpr const char* kEventKeys[] = {"exchange.*",  "queue.created", "queue.deleted", "binding.*",
                                             "parameter.*", "policy.*",      "vhost.*",       "permission.*",
                                             "user.*",      "alarm.*",       "node.*"};

struct ClusterEvent {
  std::string kind;                                             ///< "exchange.created", "binding.deleted", …
  std::string vhost;                                            ///< Empty where the event has none.
  std::string name;                                             ///< Of the exchange, queue, parameter, policy …
  std::string user;                                             ///< Of a permission.
  std::string type;                                             ///< Of an exchange.
  bool durable = false, auto_delete = false, internal = false;  ///< Of an exchange.
  std::string component;                                        ///< Of a parameter; "global" for global ones.
  std::string source, destination, routing_key;                 ///< Of a binding.
  bool to_queue = true;                                         ///< Of a binding.
};

/// Nothing for an event without a name that is to be understood; a field that is missing stays empty.
std::optional<ClusterEvent> ParseClusterEvent(std::string_view routing_key, const amqp_table_t& headers);

}  // namespace warren::coordinator
