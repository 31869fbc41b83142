// list_streams, list_shards, list_nodes: the cluster as Warren sees it.
#include "coordinator/ctl/command.h"
#include "coordinator/ctl/user_parameters.h"
#include "coordinator/ctl/world.h"
#include "policies/catalog.h"

namespace warren::ctl {
namespace {

template <class T>
nlohmann::json OrNull(const std::optional<T>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json();
}

nlohmann::json OrNull(const std::string& text) { return text.empty() ? nlohmann::json() : nlohmann::json(text); }

std::vector<nlohmann::json> ShardRow(const StreamPlan& stream, const Shard& shard) {
  return {stream.vhost,
          stream.exchange,
          shard.queue,
          shard.index,
          shard.node,
          Name(shard.state),
          OrNull(shard.wanted_key),
          shard.bound ? nlohmann::json(shard.bound_key) : nlohmann::json(),
          OrNull(shard.ready),
          OrNull(shard.unacked),
          OrNull(shard.consumers),
          OrNull(shard.publish_per_second),
          OrNull(shard.deliver_per_second)};
}

std::string MessagesOf(const StreamPlan& stream) {
  std::string messages;
  for (const Condition& condition : stream.conditions) {
    if (condition.type == ConditionType::kReady) continue;
    messages += (messages.empty() ? "" : "; ") + condition.message;
  }
  return messages;
}

std::string Addresses(const Node& node) {
  std::string text;
  for (const Listener& listener : node.listeners) {
    const bool bracketed = listener.address.find(':') != std::string::npos;
    text += (text.empty() ? "" : " ") + listener.protocol + "://" + (bracketed ? "[" : "") + listener.address +
            (bracketed ? "]" : "") + ":" + std::to_string(listener.port);
  }
  return text;
}

}  // namespace

Result<int> ListStreams(const Context& context) {
  auto world = Look(context, LocalUsers::kAllOfThem);
  if (!world) return tl::unexpected(world.error());
  context.Say("Listing streams ...");
  Table table{{"vhost", "exchange", "type", "policy", "definition", "shards", "active", "state", "message"}, {}};
  for (const StreamPlan& stream : world->plan.streams) {
    const auto active = std::count_if(stream.shards.begin(), stream.shards.end(),
                                      [](const Shard& shard) { return shard.state == ShardState::kActive; });
    table.rows.push_back({stream.vhost, stream.exchange, stream.exchange_type, stream.policy,
                          stream.spec ? nlohmann::json(stream.spec->definition) : nlohmann::json(),
                          stream.shards.size(), active, stream.state(), OrNull(MessagesOf(stream))});
  }
  for (const Condition& problem : world->plan.problems) context.Warn(problem.message);
  context.Print(table);
  return 0;
}

Result<int> ListShards(const Context& context) {
  auto world = Look(context, LocalUsers::kAllOfThem);
  if (!world) return tl::unexpected(world.error());
  Table table{{"vhost", "exchange", "queue", "index", "node", "state", "routing_key", "bound_key", "messages_ready",
               "messages_unacknowledged", "consumers", "publish_rate", "deliver_rate"},
              {}};
  bool found = context.arguments.empty();
  for (const StreamPlan& stream : world->plan.streams) {
    if (!context.arguments.empty() && stream.exchange != context.arguments[0]) continue;
    found = true;
    for (const Shard& shard : stream.shards) table.rows.push_back(ShardRow(stream, shard));
  }
  if (!found) {
    return Fail(
        ErrorCode::kNotFound,
        "no policy matches an exchange of that name; 'warrenctl list_streams' shows the exchanges that are streams",
        "exchange '" + context.arguments[0] + "'");
  }
  context.Say("Listing shards ...");
  context.Print(table);
  return 0;
}

Result<int> ListNodes(const Context& context) {
  auto topology = context.client->Observe(management::ParameterAccess::kOptional);
  if (!topology) return tl::unexpected(topology.error());
  context.Say("Listing nodes of cluster '" + topology->cluster_name + "', RabbitMQ " + topology->rabbitmq_version +
              " ...");
  const auto catalog = policies::Catalog::Build(Merge(topology->parameters, context.file_parameters));
  const auto& drained = catalog.drained_nodes();
  Table table{{"name", "running", "drained", "maintenance", "memory_alarm", "disk_alarm", "listeners"}, {}};
  for (const Node& node : topology->nodes) {
    const bool is_drained = std::find(drained.begin(), drained.end(), node.name) != drained.end();
    table.rows.push_back({node.name, node.running, is_drained, OrNull(node.maintenance), node.memory_alarm,
                          node.disk_alarm, OrNull(Addresses(node))});
  }
  context.Print(table);
  return 0;
}

}  // namespace warren::ctl
