// See documents.h.
#include "coordinator/api/documents.h"

#include <algorithm>

#include "shardmgr/plan/json.h"

namespace warren::coordinator {
namespace {

using nlohmann::json;

/// Collects the part of a list that was asked for, and counts all of it. Entries that are not shown are not made.
class Page {
 public:
  explicit Page(const Query& query) : query_(query) {}

  template <class MakeEntry>
  void Add(const MakeEntry& make) {
    const std::size_t place = total_++;
    if (place >= query_.offset() && entries_.size() < query_.limit()) entries_.push_back(make());
  }

  /// Puts the list into `document` as `name`.
  json Into(json document, const char* name) && {
    document["total"] = total_;
    document["offset"] = query_.offset();
    document[name] = std::move(entries_);
    return document;
  }

 private:
  const Query& query_;
  std::size_t total_ = 0;
  json entries_ = json::array();
};

bool IsOf(const std::string& vhost, const std::string& exchange, const Query& query) {
  return query.Takes("vhost", vhost) && query.Takes("exchange", exchange);
}

json Conditions(const StreamStatus& stream) {
  json list = json::array();
  for (const TimedCondition& timed : stream.conditions) {
    json condition = ToJson(timed.condition);
    condition["since"] = TimeJson(timed.since_ms);
    list.push_back(std::move(condition));
  }
  return list;
}

json StreamJson(const StreamStatus& stream) {
  json object = ToJson(stream.plan);
  object["state"] = stream.state();
  object["ready"] = stream.ready();
  object["conditions"] = Conditions(stream);
  return object;
}

json ShardJson(const StreamStatus& stream, const Shard& shard) {
  json object = ToJson(shard);
  object["vhost"] = stream.plan.vhost;
  object["exchange"] = stream.plan.exchange;
  return object;
}

json NodeJson(const NodeStatus& status) {
  const Node& node = status.node;
  return {{"name", node.name},
          {"running", node.running},
          {"reachable", node.running && status.unreachable.empty()},
          {"drained", status.drained},
          {"detail", status.unreachable},
          {"amqp_address", status.address.empty() ? json(nullptr) : json(status.address)},
          {"memory_alarm", node.memory_alarm},
          {"disk_alarm", node.disk_alarm},
          {"maintenance", node.maintenance ? json(*node.maintenance) : json(nullptr)}};
}

json EventJson(const JournalEntry& entry) {
  const bool of_stream = !entry.exchange.empty();
  return {{"at", TimeJson(entry.at_ms)},
          {"kind", entry.kind},
          {"vhost", of_stream ? json(entry.vhost) : json(nullptr)},
          {"exchange", of_stream ? json(entry.exchange) : json(nullptr)},
          {"message", entry.message}};
}

json Problems(const Snapshot& snapshot) {
  json list = json::array();
  for (const Condition& problem : snapshot.problems) list.push_back(ToJson(problem));
  return list;
}

json ConsumerJson(const AssignedConsumer& consumer) {
  const bool told = consumer.assignment != nullptr;
  return {{"vhost", consumer.stream.vhost},
          {"exchange", consumer.stream.exchange},
          {"instance", consumer.instance},
          {"kind", consumer.kind},
          {"node", consumer.node.empty() ? json(nullptr) : json(consumer.node)},
          {"shards", told ? json(consumer.assignment->shards()) : json::array()},
          {"local", told ? consumer.assignment->local->size() : 0},
          {"since", TimeJson(consumer.since_ms)},
          {"last_seen", TimeJson(consumer.last_seen_ms)}};
}

/// Shards that nobody consumes, of the streams and on the node that were asked for.
json Uncovered(const View& view, const Query& query) {
  json list = json::array();
  for (const StreamStatus& stream : view.snapshot->streams) {
    if (!IsOf(stream.plan.vhost, stream.plan.exchange, query)) continue;
    for (const UncoveredShard& shard : stream.uncovered) {
      if (!query.Takes("node", shard.node)) continue;
      list.push_back({{"vhost", stream.plan.vhost},
                      {"exchange", stream.plan.exchange},
                      {"queue", shard.queue},
                      {"node", shard.node},
                      {"since", TimeJson(shard.since_ms)},
                      {"messages", shard.messages ? json(*shard.messages) : json(nullptr)}});
    }
  }
  return list;
}

json Document(const View& view) { return {{"observation", Observation(view)}}; }

}  // namespace

json Observation(const View& view) {
  const Snapshot& snapshot = *view.snapshot;
  json observation{{"generation", snapshot.generation},
                   {"observed_at", TimeJson(snapshot.observed_at_ms)},
                   {"age_seconds", nullptr},
                   {"source", view.events.source()},
                   {"source_reason", view.events.connected ? json(nullptr) : json(view.events.reason)},
                   {"role", Name(view.lease.role)},
                   {"role_reason", view.lease.reason.empty() ? json(nullptr) : json(view.lease.reason)},
                   {"leader", view.lease.leader.empty() ? json(nullptr) : json(view.lease.leader)},
                   {"stale_since", nullptr},
                   {"error", nullptr}};
  if (snapshot.observed_at_ms > 0)
    observation["age_seconds"] =
        static_cast<double>(std::max<std::int64_t>(view.now_ms - snapshot.observed_at_ms, 0)) / 1000;
  if (snapshot.observation_error) {
    observation["stale_since"] = TimeJson(snapshot.failing_since_ms);
    observation["error"] = {{"code", Name(snapshot.observation_error->code)},
                            {"message", snapshot.observation_error->ToString()}};
  }
  return observation;
}

json Streams(const View& view, const Query& query) {
  Page page(query);
  for (const StreamStatus& stream : view.snapshot->streams) {
    if (IsOf(stream.plan.vhost, stream.plan.exchange, query) && query.Takes("policy", stream.plan.policy) &&
        query.Takes("state", stream.state()))
      page.Add([&] { return StreamJson(stream); });
  }
  json document = Document(view);
  document["problems"] = Problems(*view.snapshot);
  document["notices"] = view.snapshot->notices;
  return std::move(page).Into(std::move(document), "streams");
}

json Shards(const View& view, const Query& query) {
  Page page(query);
  for (const StreamStatus& stream : view.snapshot->streams) {
    if (!IsOf(stream.plan.vhost, stream.plan.exchange, query)) continue;
    for (const Shard& shard : stream.plan.shards) {
      if (query.Takes("node", shard.node) && query.Takes("state", Name(shard.state)))
        page.Add([&] { return ShardJson(stream, shard); });
    }
  }
  return std::move(page).Into(Document(view), "shards");
}

json Nodes(const View& view, const Query& query) {
  Page page(query);
  for (const NodeStatus& node : view.snapshot->nodes) page.Add([&] { return NodeJson(node); });
  json document = Document(view);
  document["cluster_name"] = view.snapshot->cluster_name;
  document["rabbitmq_version"] = view.snapshot->rabbitmq_version;
  return std::move(page).Into(std::move(document), "nodes");
}

json PlanDocument(const View& view, const Query& query) {
  Page page(query);
  for (const StreamStatus& stream : view.snapshot->streams) {
    if (!IsOf(stream.plan.vhost, stream.plan.exchange, query)) continue;
    for (const Action& action : stream.plan.actions) page.Add([&] { return ToJson(action); });
  }
  json document = Document(view);
  document["problems"] = Problems(*view.snapshot);
  return std::move(page).Into(std::move(document), "actions");
}

json Assignments(const View& view, const Query& query) {
  Page page(query);
  json document = Document(view);
  document["uncovered"] = Uncovered(view, query);
  document["notices"] = json::array();
  if (view.assignments) {
    document["notices"] = view.assignments->notices;
    for (const AssignedConsumer& consumer : view.assignments->consumers) {
      if (!IsOf(consumer.stream.vhost, consumer.stream.exchange, query) || !query.Takes("node", consumer.node))
        continue;
      page.Add([&] { return ConsumerJson(consumer); });
    }
  }
  return std::move(page).Into(std::move(document), "assignments");
}

json Parameters(const View& view, const Query& query, policies::ParameterKind kind, const char* list) {
  Page page(query);
  for (const Parameter& parameter : view.snapshot->parameters) {
    const auto name = policies::ParseParameterName(parameter.name);
    if (!name || name->kind != kind || !query.Takes("vhost", name->vhost)) continue;
    page.Add([&] { return ParameterJson(*name, parameter.value, parameter.source); });
  }
  json document = Document(view);
  document["problems"] = Problems(*view.snapshot);
  return std::move(page).Into(std::move(document), list);
}

json Events(const View& view, const Query& query) {
  std::vector<JournalEntry> entries = view.journal ? view.journal->Latest() : std::vector<JournalEntry>();
  std::erase_if(entries, [&](const JournalEntry& entry) {
    return !query.Takes("kind", entry.kind) || !query.Takes("vhost", entry.vhost) ||
           !query.Takes("exchange", entry.exchange);
  });
  json list = json::array();
  const std::size_t passed = entries.size() - std::min(entries.size(), query.limit());
  for (std::size_t place = passed; place < entries.size(); ++place) list.push_back(EventJson(entries[place]));
  json document = Document(view);
  document["total"] = entries.size();
  document["events"] = std::move(list);
  return document;
}

std::optional<json> OneStream(const View& view, std::string_view vhost, std::string_view exchange) {
  for (const StreamStatus& stream : view.snapshot->streams) {
    if (stream.plan.vhost != vhost || stream.plan.exchange != exchange) continue;
    json object = StreamJson(stream);
    object["observation"] = Observation(view);
    return object;
  }
  return std::nullopt;
}

const Parameter* FindParameter(const View& view, const std::string& name) {
  for (const Parameter& parameter : view.snapshot->parameters) {
    if (parameter.name == name) return &parameter;
  }
  return nullptr;
}

json ParameterJson(const policies::ParameterName& name, const json& value, const std::string& source) {
  json object{{"name", name.name}, {"value", value}, {"source", source}};
  if (name.kind == policies::ParameterKind::kPolicy) object["vhost"] = name.vhost;
  return object;
}

}  // namespace warren::coordinator
