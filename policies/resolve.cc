// Layers: definition, then `stream.<key>`, then the default members of StreamSpec.
#include "policies/resolve.h"

#include <fmt/format.h>

#include "policies/json.h"
#include "policies/names.h"

namespace warren::policies {
namespace {

using nlohmann::json;

constexpr std::string_view kDeadLetterArgument = "x-dead-letter-exchange";

QueueTemplate ParseQueue(const json& value) {
  QueueTemplate queue;
  queue.type = value.value("type", "classic") == "quorum" ? QueueType::kQuorum : QueueType::kClassic;
  queue.durable = value.value("durable", true);
  queue.arguments = value.value("arguments", json::object());
  return queue;
}

/// `value` has passed the schema, so its type is right.
void SetKey(StreamSpec& spec, std::string_view key, const json& value) {
  if (key == "local-username") spec.local_username = value.get<std::string>();
  if (key == "shards-per-node") spec.shards_per_node = value.get<int>();
  if (key == "routing-key") spec.routing_key = value.get<std::string>();
  if (key == "queue") spec.queue = ParseQueue(value);
  if (key == "placement") spec.placement = value == "stable" ? Placement::kStable : Placement::kRing;
  if (key == "http") spec.http = value.get<bool>();
  if (key == "on-remove") spec.on_remove = value == "retain" ? OnRemove::kRetain : OnRemove::kDrain;
  if (key == "names") spec.names = value == "sharding" ? NameStyle::kSharding : NameStyle::kStream;
}

}  // namespace

Result<StreamSpec> ResolveSpec(const std::string& name, const json& definition, const Globals& globals) {
  StreamSpec spec;
  spec.definition = name;
  for (const auto& [key, value] : globals) {
    if (definition.contains(key)) continue;
    if (!value) return tl::unexpected(value.error());
    SetKey(spec, key, *value);
  }
  for (const auto& [key, value] : definition.items()) SetKey(spec, key, value);

  if (spec.http && spec.queue.arguments.contains(kDeadLetterArgument)) {
    const json& exchange = spec.queue.arguments[std::string(kDeadLetterArgument)];
    if (exchange != kDeadLetterExchange) {
      return Fail(ErrorCode::kInvalid,
                  fmt::format("http is true and queue.arguments has x-dead-letter-exchange {}; shards of an HTTP "
                              "stream "
                              "dead-letter to {}: leave the argument out, or set http to false",
                              JsonForMessage(exchange), kDeadLetterExchange),
                  Describe(ParameterName{ParameterKind::kDefinition, {}, name}));
    }
  }
  return spec;
}

}  // namespace warren::policies
