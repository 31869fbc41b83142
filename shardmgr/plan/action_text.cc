// Actions in words: one line each.
#include <fmt/format.h>

#include "policies/json.h"
#include "shardmgr/plan/plan.h"

namespace warren {

std::string Action::ToString() const {
  const std::string in_vhost = vhost == "/" ? "" : fmt::format(" in vhost '{}'", vhost);
  switch (kind) {
    case ActionKind::kDeclareShard:
      return fmt::format("declare queue '{}'{} on {} ({}, {}{})", queue, in_vhost, node,
                         declare_as.type == QueueType::kQuorum ? "quorum" : "classic",
                         declare_as.durable ? "durable" : "transient",
                         declare_as.arguments.empty() ? "" : ", " + JsonForMessage(declare_as.arguments, 200));
    case ActionKind::kBindShard:
      return fmt::format("bind queue '{}' to exchange '{}'{} with routing key '{}'", queue, exchange, in_vhost,
                         routing_key);
    case ActionKind::kUnbindShard:
      return fmt::format("unbind queue '{}' from exchange '{}'{} with routing key '{}'{}", queue, exchange, in_vhost,
                         routing_key, arguments.empty() ? "" : " and arguments " + JsonForMessage(arguments, 200));
    case ActionKind::kBindExchange:
      return fmt::format("bind exchange '{}' to exchange '{}'{} with routing key '{}'", queue, exchange, in_vhost,
                         routing_key);
    case ActionKind::kUnbindExchange:
      return fmt::format("unbind exchange '{}' from exchange '{}'{} with routing key '{}'{}", queue, exchange, in_vhost,
                         routing_key, arguments.empty() ? "" : " and arguments " + JsonForMessage(arguments, 200));
    case ActionKind::kDeclareShardExchange:
      return fmt::format("declare exchange '{}'{} ({}, durable)", exchange, in_vhost,
                         ShardExchange(vhost, exchange).type);
    case ActionKind::kDeleteShardExchange:
      return fmt::format("delete exchange '{}'{} if nothing is bound to it", exchange, in_vhost);
    case ActionKind::kMarkDraining: return fmt::format("mark queue '{}'{} as being drained", queue, in_vhost);
    case ActionKind::kUnmarkDraining: return fmt::format("take the mark off queue '{}'{}", queue, in_vhost);
    case ActionKind::kDeleteShard:
      return fmt::format("delete queue '{}'{} if it is empty and unused ({})", queue, in_vhost,
                         declare_as.type == QueueType::kQuorum ? "quorum" : "classic");
    case ActionKind::kDeclareDeadLetterExchange:
      return fmt::format("declare exchange '{}'{} (headers, durable)", exchange, in_vhost);
    case ActionKind::kDeclareDrainExchange:
      return fmt::format("declare exchange '{}'{} (direct, durable)", exchange, in_vhost);
  }
  return {};
}

}  // namespace warren
