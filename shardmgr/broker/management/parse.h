// From the management API's JSON to values. Pure: no broker is needed to test any of it.
//
// Unknown fields are ignored and optional ones may be missing (brokers leave out statistics of
// queues they have not measured yet, and differ between versions). A needed field that is missing
// or of the wrong type is a kProtocol error that names it.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policies/error.h"
#include "policies/parameter.h"
#include "shardmgr/broker/management/client.h"
#include "shardmgr/model/topology.h"

namespace warren::management {

/// What GET /api/overview tells.
struct Overview {
  std::string cluster_name;
  std::string rabbitmq_version;
  struct NodeListener {
    std::string node;
    Listener listener;
  };
  std::vector<NodeListener> listeners;  ///< AMQP ones; empty for users without tag monitoring.
};

Result<Overview> ParseOverview(const nlohmann::json& document);
Result<std::vector<Node>> ParseNodes(const nlohmann::json& document);  ///< Without listeners.
Result<std::vector<std::string>> ParseVhosts(const nlohmann::json& document);
Result<std::vector<Exchange>> ParseExchanges(const nlohmann::json& document);
Result<std::vector<Queue>> ParseQueues(const nlohmann::json& document);
/// Gives each queue the counts of messages that `totals` has for it. A queue that is missing there, or without counts,
/// has no known ones: it is down, or new.
void TakeCounts(const std::vector<Queue>& totals, std::vector<Queue>& queues);
Result<Queue> ParseQueue(const nlohmann::json& document, std::string where);
Result<std::vector<Binding>> ParseBindings(const nlohmann::json& document);
/// The broker keeps an empty JSON object as an empty list, at any depth, and cannot tell them apart. No value of
/// Warren's is a list, so the object is what was meant. Recursion is bounded by kMaxJsonDepth.
void RestoreEmptyObjects(nlohmann::json& value);
/// Warren's parameters only, ordered by name.
Result<std::vector<Parameter>> ParseGlobalParameters(const nlohmann::json& document);
Result<std::vector<BrokerPolicy>> ParseBrokerPolicies(const nlohmann::json& document);
/// `properties_key` of the binding with this routing key and these arguments in an answer of GET
/// /api/bindings/VHOST/e/EXCHANGE/q/QUEUE; nothing when there is none.
Result<std::optional<std::string>> FindPropertiesKey(const nlohmann::json& document, std::string_view routing_key,
                                                     const nlohmann::json& arguments);
Result<std::vector<Consumer>> ParseConsumers(const nlohmann::json& document);
Result<User> ParseUser(const nlohmann::json& document);

/// Gives each node its listeners.
void AssignListeners(const Overview& overview, std::vector<Node>& nodes);

}  // namespace warren::management
