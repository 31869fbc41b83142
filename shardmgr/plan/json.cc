// One function a type, one line a field.
#include "shardmgr/plan/json.h"

#include <fmt/format.h>

#include <chrono>

namespace warren {
namespace {

using nlohmann::json;

template <class T>
json OrNull(const std::optional<T>& value) {
  return value ? json(*value) : json(nullptr);
}

template <class T>
json List(const std::vector<T>& items) {
  json list = json::array();
  for (const T& item : items) list.push_back(ToJson(item));
  return list;
}

json ToJson(const QueueTemplate& queue) {
  return {{"type", queue.type == QueueType::kQuorum ? "quorum" : "classic"},
          {"durable", queue.durable},
          {"arguments", queue.arguments}};
}

}  // namespace

json TimeJson(std::int64_t unix_ms) {
  using namespace std::chrono;  // NOLINT: the calendar.
  if (unix_ms == 0) return nullptr;
  const sys_time<milliseconds> time{milliseconds(unix_ms)};
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const hh_mm_ss clock{time - day};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

json ToJson(const Condition& condition) {
  return {{"type", Name(condition.type)},
          {"reason", condition.reason},
          {"message", condition.message},
          {"blocks", condition.blocks}};
}

json ToJson(const Shard& shard) {
  return {{"queue", shard.queue},
          {"node", shard.node},
          {"index", shard.index},
          {"state", Name(shard.state)},
          {"detail", shard.detail},
          {"observed_node", shard.observed_node.empty() ? json(nullptr) : json(shard.observed_node)},
          {"wanted_key", shard.wanted_key},
          {"reduced_key", shard.reduced_key},
          {"bound", shard.bound},
          {"bound_key", shard.bound ? json(shard.bound_key) : json(nullptr)},
          {"wanted", shard.wanted},
          {"substitute", shard.substitute.empty() ? json(nullptr) : json(shard.substitute)},
          {"draining_marked", shard.draining_marked},
          {"unbound_since", TimeJson(shard.unbound_since_ms)},
          {"messages_ready", OrNull(shard.ready)},
          {"messages_unacked", OrNull(shard.unacked)},
          {"consumers", OrNull(shard.consumers)},
          {"publish_per_second", OrNull(shard.publish_per_second)},
          {"deliver_per_second", OrNull(shard.deliver_per_second)}};
}

json ToJson(const Action& action) {
  json object = {{"kind", Name(action.kind)},
                 {"text", action.ToString()},
                 {"vhost", action.vhost},
                 {"exchange", action.exchange},
                 {"node", action.node}};
  if (!action.queue.empty()) object["queue"] = action.queue;
  if (action.kind == ActionKind::kDeclareShard) object["declare_as"] = ToJson(action.declare_as);
  if (action.kind == ActionKind::kBindShard || action.kind == ActionKind::kUnbindShard ||
      action.kind == ActionKind::kBindExchange || action.kind == ActionKind::kUnbindExchange) {
    object["routing_key"] = action.routing_key;
  }
  if (!action.arguments.empty()) object["arguments"] = action.arguments;
  return object;
}

json ToJson(const MovedKeys& moved) { return {{"least", moved.least}, {"most", moved.most}}; }

json ToJson(const StreamSpec& spec) {
  return {{"definition", spec.definition},
          {"policy", spec.policy},
          {"local_username", OrNull(spec.local_username)},
          {"shards_per_node", spec.shards_per_node},
          {"routing_key", spec.routing_key},
          {"queue", ToJson(spec.queue)},
          {"placement", spec.placement == Placement::kStable ? "stable" : "ring"},
          {"http", spec.http},
          {"on_remove", spec.on_remove == OnRemove::kRetain ? "retain" : "drain"},
          {"names", spec.names == NameStyle::kSharding ? "sharding" : "stream"}};
}

json ToJson(const StreamPlan& stream) {
  return {{"vhost", stream.vhost},
          {"exchange", stream.exchange},
          {"exchange_type", stream.exchange_type},
          {"policy", stream.policy},
          {"state", stream.state()},
          {"ready", stream.ready()},
          {"spec", stream.spec ? ToJson(*stream.spec) : json(nullptr)},
          {"shards", List(stream.shards)},
          {"actions", List(stream.actions)},
          {"conditions", List(stream.conditions)},
          {"moved_keys", stream.moved_keys ? ToJson(*stream.moved_keys) : json(nullptr)},
          {"next_look", TimeJson(stream.next_look_ms.value_or(0))}};
}

json ToJson(const Plan& plan) {
  return {{"observed_at", TimeJson(plan.observed_at_ms)},
          {"action_count", plan.action_count()},
          {"streams", List(plan.streams)},
          {"problems", List(plan.problems)}};
}

}  // namespace warren
