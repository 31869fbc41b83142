// How a shard is declared, and whether a queue is so.
#include <fmt/format.h>

#include "policies/json.h"
#include "shardmgr/plan/stream_planner.h"

namespace warren {
namespace {

void AddDifference(std::string& differences, std::string_view what, std::string_view is, std::string_view wanted) {
  differences += fmt::format("{}{} is {}, wanted {}", differences.empty() ? "" : "; ", what, is, wanted);
}

std::string_view Word(bool value) { return value ? "true" : "false"; }
std::string_view Word(QueueType type) { return type == QueueType::kQuorum ? "quorum" : "classic"; }

}  // namespace

std::string Differences(const Queue& queue, const QueueTemplate& wanted) {
  std::string differences;
  if (!queue.type.empty() && queue.type != Word(wanted.type)) {
    AddDifference(differences, "type", queue.type, Word(wanted.type));
  }
  if (queue.durable != wanted.durable) AddDifference(differences, "durable", Word(queue.durable), Word(wanted.durable));
  if (queue.auto_delete) AddDifference(differences, "auto-delete", "true", "false");
  if (queue.exclusive) AddDifference(differences, "exclusive", "true", "false");
  for (const auto& [argument, value] : wanted.arguments.items()) {
    if (queue.arguments.is_object() && queue.arguments.contains(argument)) {
      const nlohmann::json& is = queue.arguments[argument];
      if (is != value) AddDifference(differences, "argument " + argument, JsonForMessage(is), JsonForMessage(value));
    } else {
      AddDifference(differences, "argument " + argument, "not set", JsonForMessage(value));
    }
  }
  if (!queue.arguments.is_object()) return differences;
  for (const auto& [argument, value] : queue.arguments.items()) {
    if (argument == "x-queue-type" || wanted.arguments.contains(argument)) continue;
    AddDifference(differences, "argument " + argument, JsonForMessage(value), "not set");
  }
  return differences;
}

QueueTemplate CompleteTemplate(const StreamSpec& spec) {
  QueueTemplate complete = spec.queue;
  if (spec.http) complete.arguments["x-dead-letter-exchange"] = kDeadLetterExchange;
  return complete;
}

}  // namespace warren
