// See routes.h.
#include "coordinator/api/routes.h"

#include <algorithm>
#include <charconv>

#include "coordinator/telemetry.h"
#include "policies/names.h"
#include "shardmgr/plan/json.h"

namespace warren::coordinator {
namespace {

using nlohmann::json;

constexpr std::size_t kLongestPathBytes = 8 * 1024;

std::string Dump(const json& body) { return body.dump(-1, ' ', false, json::error_handler_t::replace) + "\n"; }

ApiResponse Ok(const json& body, int status = 200) {
  return {.status = status, .content_type = "application/json", .body = Dump(body), .allow = {}};
}

/// The status of an error as a problem document: a wrong request of ours to the broker is not the client's.
ApiResponse Failed(const Error& error) {
  const int status = HttpStatus(error.code);
  return Problem(status == 404   ? 404
                 : status >= 500 ? status
                                 : 502,
                 status == 404 ? "Not Found" : "Bad Gateway", error.ToString());
}

json Observation(const ApiContext& context) {
  const Snapshot& snapshot = *context.snapshot;
  json observation{{"generation", snapshot.generation},
                   {"observed_at_ms", nullptr},
                   {"age_seconds", nullptr},
                   {"source", context.events.source()},
                   {"source_reason", context.events.connected ? json(nullptr) : json(context.events.reason)},
                   {"stale_since_ms", nullptr},
                   {"error", nullptr}};
  if (snapshot.observed_at_ms > 0) {
    observation["observed_at_ms"] = snapshot.observed_at_ms;
    observation["age_seconds"] = static_cast<double>(context.now_ms - snapshot.observed_at_ms) / 1000;
  }
  if (snapshot.observation_error) {
    observation["stale_since_ms"] = snapshot.failing_since_ms;
    observation["error"] = {{"code", Name(snapshot.observation_error->code)},
                            {"message", snapshot.observation_error->ToString()}};
  }
  return observation;
}

json Conditions(const StreamStatus& stream) {
  json list = json::array();
  for (const TimedCondition& timed : stream.conditions) {
    json condition = ToJson(timed.condition);
    condition["since_ms"] = timed.since_ms;
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

json Problems(const Snapshot& snapshot) {
  json list = json::array();
  for (const Condition& problem : snapshot.problems) list.push_back(ToJson(problem));
  return list;
}

json Streams(const ApiContext& context) {
  json list = json::array();
  for (const StreamStatus& stream : context.snapshot->streams) list.push_back(StreamJson(stream));
  return {{"observation", Observation(context)},
          {"streams", std::move(list)},
          {"problems", Problems(*context.snapshot)},
          {"notices", context.snapshot->notices}};
}

json Shards(const ApiContext& context) {
  json list = json::array();
  for (const StreamStatus& stream : context.snapshot->streams) {
    for (const Shard& shard : stream.plan.shards) {
      json object = ToJson(shard);
      object["vhost"] = stream.plan.vhost;
      object["exchange"] = stream.plan.exchange;
      list.push_back(std::move(object));
    }
  }
  return {{"observation", Observation(context)}, {"shards", std::move(list)}};
}

json Nodes(const ApiContext& context) {
  json list = json::array();
  for (const NodeStatus& status : context.snapshot->nodes) {
    const Node& node = status.node;
    list.push_back({{"name", node.name},
                    {"running", node.running},
                    {"reachable", node.running && status.unreachable.empty()},
                    {"drained", status.drained},
                    {"detail", status.unreachable},
                    {"amqp_address", status.address.empty() ? json(nullptr) : json(status.address)},
                    {"memory_alarm", node.memory_alarm},
                    {"disk_alarm", node.disk_alarm},
                    {"maintenance", node.maintenance ? json(*node.maintenance) : json(nullptr)}});
  }
  return {{"observation", Observation(context)},
          {"cluster_name", context.snapshot->cluster_name},
          {"rabbitmq_version", context.snapshot->rabbitmq_version},
          {"nodes", std::move(list)}};
}

json PlanJson(const ApiContext& context) {
  json actions = json::array();
  for (const StreamStatus& stream : context.snapshot->streams) {
    for (const Action& action : stream.plan.actions) actions.push_back(ToJson(action));
  }
  return {{"observation", Observation(context)},
          {"action_count", actions.size()},
          {"actions", actions},
          {"problems", Problems(*context.snapshot)}};
}

json Parameters(const ApiContext& context, policies::ParameterKind kind, const char* key) {
  json list = json::array();
  for (const Parameter& parameter : context.snapshot->parameters) {
    const auto name = policies::ParseParameterName(parameter.name);
    if (!name || name->kind != kind) continue;
    json object{{"name", name->name}, {"value", parameter.value}, {"source", parameter.source}};
    if (kind == policies::ParameterKind::kPolicy) object["vhost"] = name->vhost;
    list.push_back(std::move(object));
  }
  return {{"observation", Observation(context)}, {key, std::move(list)}, {"problems", Problems(*context.snapshot)}};
}

ApiResponse OneStream(const ApiContext& context, std::string_view encoded_vhost, std::string_view encoded_exchange) {
  const auto vhost = policies::PercentDecode(encoded_vhost);
  const auto exchange = policies::PercentDecode(encoded_exchange);
  if (!vhost || !exchange)
    return Problem(400, "Bad Request", "the path has a '%' that is not followed by two hexadecimal digits");
  for (const StreamStatus& stream : context.snapshot->streams) {
    if (stream.plan.vhost != *vhost || stream.plan.exchange != *exchange) continue;
    json object = StreamJson(stream);
    object["observation"] = Observation(context);
    return Ok(object);
  }
  return Problem(404, "Not Found",
                 "no policy matches an exchange '" + *exchange + "' in vhost '" + *vhost +
                     "', or there is none; GET /api/v1/streams lists the streams");
}

ApiResponse Ready(const ApiContext& context) {
  const auto readiness = CoordinatorReadiness(*context.snapshot, context.events, context.now_ms, context.interval);
  return {.status = readiness.ready ? 200 : 503,
          .content_type = "application/json",
          .body = program::ReadinessJson(readiness) + "\n",
          .allow = {}};
}

ApiResponse Reconcile(const ApiContext& context) {
  context.trigger();
  return Ok({{"status", "accepted"}}, 202);
}

/// The value of `limit`; nothing where the query is anything else.
std::optional<std::size_t> Limit(std::string_view query) {
  if (query.empty()) return Journal::kMostEntries;
  constexpr std::string_view kLimit = "limit=";
  if (!query.starts_with(kLimit)) return std::nullopt;
  query.remove_prefix(kLimit.size());
  std::size_t limit = 0;
  const auto [end, code] = std::from_chars(query.data(), query.data() + query.size(), limit);
  if (code != std::errc() || end != query.data() + query.size() || limit > Journal::kMostEntries) return std::nullopt;
  return limit;
}

ApiResponse Events(const ApiContext& context, std::string_view query) {
  const auto limit = Limit(query);
  if (!limit) return Problem(400, "Bad Request", "the query is limit=N with N from 0 to 500, or nothing");
  json list = json::array();
  for (const JournalEntry& entry : context.journal ? context.journal->Latest(*limit) : std::vector<JournalEntry>()) {
    const bool of_stream = !entry.exchange.empty();
    list.push_back({{"at_ms", entry.at_ms},
                    {"kind", entry.kind},
                    {"vhost", of_stream ? json(entry.vhost) : json(nullptr)},
                    {"exchange", of_stream ? json(entry.exchange) : json(nullptr)},
                    {"message", entry.message}});
  }
  return Ok({{"observation", Observation(context)}, {"events", std::move(list)}});
}

/// The endpoint at a path: the method that it takes, and its answer.
struct Endpoint {
  std::string_view path;
  std::string_view method;
  ApiResponse (*answer)(const ApiContext&);
};

constexpr Endpoint kEndpoints[] = {
    {"/api/v1/streams", "GET", [](const ApiContext& context) { return Ok(Streams(context)); }},
    {"/api/v1/shards", "GET", [](const ApiContext& context) { return Ok(Shards(context)); }},
    {"/api/v1/nodes", "GET", [](const ApiContext& context) { return Ok(Nodes(context)); }},
    {"/api/v1/plan", "GET", [](const ApiContext& context) { return Ok(PlanJson(context)); }},
    {"/api/v1/definitions", "GET",
     [](const ApiContext& context) {
       return Ok(Parameters(context, policies::ParameterKind::kDefinition, "definitions"));
     }},
    {"/api/v1/policies", "GET",
     [](const ApiContext& context) { return Ok(Parameters(context, policies::ParameterKind::kPolicy, "policies")); }},
    {"/api/v1/reconcile", "POST", Reconcile},
    {"/healthz", "GET",
     [](const ApiContext&) {
       return Ok({{"status", "ok"}});
     }},
    {"/readyz", "GET", Ready},
};

ApiResponse MethodNotAllowed(std::string_view methods) {
  ApiResponse response = Problem(405, "Method Not Allowed", "this resource takes " + std::string(methods) + " alone");
  response.allow = methods;
  return response;
}

/// POST and DELETE of /api/v1/nodes/{name}/drain: the global parameter stream-node.<name>.
ApiResponse Drain(const ApiContext& context, std::string_view method, std::string_view encoded_node) {
  if (method != "POST" && method != "DELETE") return MethodNotAllowed("POST, DELETE");
  const auto node = policies::PercentDecode(encoded_node);
  if (!node) return Problem(400, "Bad Request", "the path has a '%' that is not followed by two hexadecimal digits");
  if (context.snapshot->observed_at_ms == 0)
    return Problem(503, "Service Unavailable", "the cluster was not observed yet, so its nodes are not known");
  // A node that left the cluster may still be one to be drained.
  const auto& nodes = context.snapshot->nodes;
  const bool known = std::any_of(nodes.begin(), nodes.end(), [&](const NodeStatus& n) { return n.node.name == *node; });
  if (method == "POST" && !known)
    return Problem(404, "Not Found",
                   "'" + *node + "' is not a node of this cluster; GET /api/v1/nodes lists the nodes");
  ApiResponse response;
  response.later = [set_drain = context.set_drain, node = *node, drain = method == "POST"] {
    const auto done = set_drain(node, drain);
    return done ? Ok({{"node", node}, {"drain", drain}}) : Failed(done.error());
  };
  return response;
}

/// The one segment between `prefix` and `suffix`; nothing where the path is another.
std::optional<std::string_view> Between(std::string_view path, std::string_view prefix, std::string_view suffix) {
  if (path.size() <= prefix.size() + suffix.size() || !path.starts_with(prefix) || !path.ends_with(suffix))
    return std::nullopt;
  const auto middle = path.substr(prefix.size(), path.size() - prefix.size() - suffix.size());
  return middle.find('/') == std::string_view::npos ? std::optional(middle) : std::nullopt;
}

}  // namespace

ApiResponse Problem(int status, std::string_view title, const std::string& detail) {
  return {.status = status,
          .content_type = "application/problem+json",
          .body = Dump({{"type", "about:blank"}, {"title", title}, {"status", status}, {"detail", detail}}),
          .allow = {}};
}

ApiResponse Route(const ApiContext& context, std::string_view method, std::string_view path, std::string_view query) {
  if (path.size() > kLongestPathBytes) return Problem(414, "URI Too Long", "a path has at most 8192 bytes");
  for (const Endpoint& endpoint : kEndpoints) {
    if (path != endpoint.path) continue;
    return method == endpoint.method ? endpoint.answer(context) : MethodNotAllowed(endpoint.method);
  }
  if (path == "/api/v1/events") return method == "GET" ? Events(context, query) : MethodNotAllowed("GET");
  if (const auto node = Between(path, "/api/v1/nodes/", "/drain")) return Drain(context, method, *node);
  constexpr std::string_view kStream = "/api/v1/streams/";
  if (path.starts_with(kStream)) {
    const std::string_view rest = path.substr(kStream.size());
    const auto slash = rest.find('/');
    if (slash != std::string_view::npos && slash > 0 && rest.find('/', slash + 1) == std::string_view::npos) {
      return method == "GET" ? OneStream(context, rest.substr(0, slash), rest.substr(slash + 1))
                             : MethodNotAllowed("GET");
    }
  }
  return Problem(404, "Not Found", "there is no such resource; a vhost in a path is percent-encoded ('/' is %2F)");
}

}  // namespace warren::coordinator
