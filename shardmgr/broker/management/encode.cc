// From values to the management API's JSON.
#include "shardmgr/broker/management/encode.h"

#include "policies/json.h"

namespace warren::management {

Result<std::string> Encode(const nlohmann::json& document) {
  try {
    return document.dump();
  } catch (const nlohmann::json::exception&) {
    return Fail(ErrorCode::kInvalid, "text that is sent to the broker has to be UTF-8", JsonForMessage(document));
  }
}

nlohmann::json QueueBody(const QueueTemplate& queue, std::string_view node) {
  nlohmann::json arguments = queue.arguments.is_object() ? queue.arguments : nlohmann::json::object();
  arguments["x-queue-type"] = queue.type == QueueType::kQuorum ? "quorum" : "classic";
  return {{"durable", queue.durable}, {"auto_delete", false}, {"arguments", std::move(arguments)}, {"node", node}};
}

nlohmann::json ExchangeBody(const Exchange& exchange) {
  return {{"type", exchange.type},
          {"durable", exchange.durable},
          {"auto_delete", exchange.auto_delete},
          {"internal", exchange.internal},
          {"arguments", exchange.arguments}};
}

nlohmann::json BindingBody(std::string_view routing_key) {
  return {{"routing_key", routing_key}, {"arguments", nlohmann::json::object()}};
}

}  // namespace warren::management
