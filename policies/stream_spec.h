// StreamSpec: what a user wants for one exchange, after every key has been resolved through
// definition -> global `stream.<key>` -> built-in default. The output of policies/, the input of
// the planner. A value; no I/O.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace warren {

inline constexpr int kMinShardsPerNode = 1;
inline constexpr int kMaxShardsPerNode = 1024;
inline constexpr const char* kDefaultRoutingKey = "10000";

/// Where shards of HTTP streams dead-letter to: a durable headers exchange in the stream's vhost.
inline constexpr const char* kDeadLetterExchange = "warren.dead";

enum class QueueType { kClassic, kQuorum };
enum class Placement { kRing, kStable };
enum class OnRemove { kDrain, kRetain };
enum class NameStyle { kStream, kSharding };

/// How each shard queue is declared (definition key `queue`).
struct QueueTemplate {
  QueueType type = QueueType::kClassic;
  bool durable = true;
  nlohmann::json arguments = nlohmann::json::object();  ///< Without x-queue-type.

  bool operator==(const QueueTemplate&) const = default;
};

/// A resolved stream definition, as one policy applies it to one exchange.
struct StreamSpec {
  std::string definition;                     ///< Name of the stream definition.
  std::string policy;                         ///< Name of the policy that matched.
  std::optional<std::string> local_username;  ///< Unset: the coordinator's own user.
  int shards_per_node = kMinShardsPerNode;
  std::string routing_key = kDefaultRoutingKey;
  QueueTemplate queue;
  Placement placement = Placement::kRing;
  bool http = false;
  OnRemove on_remove = OnRemove::kDrain;
  NameStyle names = NameStyle::kStream;

  bool operator==(const StreamSpec&) const = default;
};

}  // namespace warren
