// See routes.h. The table of resources, and what is checked before one of them answers, in this order: path, host and
// origin, token, resource, method, accepted types, query, content.
#include "coordinator/api/routes.h"

#include <algorithm>
#include <optional>

#include "coordinator/api/dashboard.h"
#include "coordinator/api/edits.h"
#include "coordinator/telemetry.h"

namespace warren::coordinator {
namespace {

using nlohmann::json;
using policies::ParameterKind;

constexpr std::size_t kLongestPathBytes = 8 * 1024;
constexpr std::string_view kJson = "application/json";

/// A request on its way to the operation that answers it.
struct Call {
  const ApiContext& context;
  const ApiRequest& request;
  std::vector<std::string> names;  ///< What stands in the path for {…}, decoded.
  Query query = {};
};

using Keys = std::vector<std::string_view>;

struct Operation {
  std::string_view method;
  ApiResponse (*answer)(const Call&);
  Keys keys = {};           ///< Of the query.
  bool takes_body = false;  ///< A JSON document.
};

struct Resource {
  std::string_view path;  ///< With {name} for a segment that may be anything.
  std::vector<Operation> operations;
  bool open = false;  ///< Needs no token.
  std::string_view type = kJson;
};

ApiResponse GetReadiness(const Call& call) {
  const View& view = call.context.view;
  const auto readiness =
      CoordinatorReadiness(*view.snapshot, view.events, view.now_ms, call.context.interval, view.lease.ToString());
  return {.status = readiness.ready ? 200 : 503, .body = program::ReadinessJson(readiness) + "\n"};
}

ApiResponse GetStream(const Call& call) {
  const auto stream = OneStream(call.context.view, call.names[0], call.names[1]);
  if (stream) return Ok(*stream);
  return Problem(404, "no policy matches an exchange '" + call.names[1] + "' in vhost '" + call.names[0] +
                          "', or there is none; GET /api/v1/streams lists the streams");
}

ApiResponse PostReconcile(const Call& call) {
  const LeaseStatus& lease = call.context.view.lease;
  if (lease.role == Role::kFollower)
    return Problem(409, "this coordinator " + lease.ToString() + ", which acts; ask that one to reconcile");
  call.context.trigger();
  return Ok({{"status", "accepted"}}, 202);
}

policies::ParameterName DefinitionOf(const Call& call) { return {ParameterKind::kDefinition, {}, call.names[0]}; }
policies::ParameterName PolicyOf(const Call& call) { return {ParameterKind::kPolicy, call.names[0], call.names[1]}; }

ApiResponse GetParameter(const Call& call, const policies::ParameterName& name) {
  const std::string full = name.kind == ParameterKind::kPolicy ? policies::PolicyParameterName(name.vhost, name.name)
                                                               : policies::DefinitionParameterName(name.name);
  const Parameter* parameter = FindParameter(call.context.view, full);
  if (parameter == nullptr) return Problem(404, "there is no " + policies::Describe(name));
  json document = ParameterJson(name, parameter->value, parameter->source);
  document["observation"] = Observation(call.context.view);
  return Ok(document);
}

ApiResponse GetIndex(const Call&);

std::vector<Resource> MakeResources() {
  const Keys page{"limit", "offset"};
  const Keys streams{"vhost", "exchange", "policy", "state", "limit", "offset"};
  const Keys shards{"vhost", "exchange", "node", "state", "limit", "offset"};
  const Keys plan{"vhost", "exchange", "limit", "offset"};
  const Keys assignments{"vhost", "exchange", "node", "limit", "offset"};
  const Keys policies{"vhost", "limit", "offset"};
  const Keys events{"kind", "vhost", "exchange", "limit"};
  constexpr const char* kGet = "GET";
  return {
      {"/", {{kGet, [](const Call&) { return Dashboard(); }}}, true, "text/html"},
      {"/healthz",
       {{kGet,
         [](const Call&) {
           return Ok({{"status", "ok"}});
         }}},
       true},
      {"/readyz", {{kGet, GetReadiness}}, true},
      {"/api/v1", {{kGet, GetIndex}}},
      {"/api/v1/streams", {{kGet, [](const Call& c) { return Ok(Streams(c.context.view, c.query)); }, streams}}},
      {"/api/v1/streams/{vhost}/{exchange}", {{kGet, GetStream}}},
      {"/api/v1/shards", {{kGet, [](const Call& c) { return Ok(Shards(c.context.view, c.query)); }, shards}}},
      {"/api/v1/nodes", {{kGet, [](const Call& c) { return Ok(Nodes(c.context.view, c.query)); }, page}}},
      {"/api/v1/nodes/{name}/drain",
       {{"POST", [](const Call& c) { return SetDrain(c.context, c.names[0], true); }},
        {"DELETE", [](const Call& c) { return SetDrain(c.context, c.names[0], false); }}}},
      {"/api/v1/plan", {{kGet, [](const Call& c) { return Ok(PlanDocument(c.context.view, c.query)); }, plan}}},
      {"/api/v1/assignments",
       {{kGet, [](const Call& c) { return Ok(Assignments(c.context.view, c.query)); }, assignments}}},
      {"/api/v1/definitions",
       {{kGet,
         [](const Call& c) {
           return Ok(Parameters(c.context.view, c.query, ParameterKind::kDefinition, "definitions"));
         },
         page}}},
      {"/api/v1/definitions/{name}",
       {{kGet, [](const Call& c) { return GetParameter(c, DefinitionOf(c)); }},
        {"PUT", [](const Call& c) { return PutParameter(c.context, DefinitionOf(c), c.request.body); }, {}, true},
        {"DELETE", [](const Call& c) { return ClearParameter(c.context, DefinitionOf(c)); }}}},
      {"/api/v1/policies",
       {{kGet,
         [](const Call& c) { return Ok(Parameters(c.context.view, c.query, ParameterKind::kPolicy, "policies")); },
         policies}}},
      {"/api/v1/policies/{vhost}/{name}",
       {{kGet, [](const Call& c) { return GetParameter(c, PolicyOf(c)); }},
        {"PUT", [](const Call& c) { return PutParameter(c.context, PolicyOf(c), c.request.body); }, {}, true},
        {"DELETE", [](const Call& c) { return ClearParameter(c.context, PolicyOf(c)); }}}},
      {"/api/v1/events", {{kGet, [](const Call& c) { return Ok(Events(c.context.view, c.query)); }, events}}},
      {"/api/v1/reconcile", {{"POST", PostReconcile}}},
  };
}

const std::vector<Resource>& Resources() {
  static const std::vector<Resource> resources = MakeResources();
  return resources;
}

/// The table itself, for whoever looks for what there is.
ApiResponse GetIndex(const Call&) {
  json list = json::array();
  for (const Resource& resource : Resources()) {
    json methods = json::array();
    for (const Operation& operation : resource.operations) methods.push_back(operation.method);
    list.push_back({{"path", resource.path}, {"methods", std::move(methods)}});
  }
  return Ok({{"version", WARREN_VERSION}, {"resources", std::move(list)}});
}

std::string AllowOf(const Resource& resource) {
  std::string allow;
  for (const Operation& operation : resource.operations) {
    allow += std::string(operation.method) + ", ";
    if (operation.method == "GET") allow += "HEAD, ";
  }
  return allow + "OPTIONS";
}

std::string_view TakeSegment(std::string_view& path) {
  const std::string_view segment = path.substr(0, path.find('/'));
  path.remove_prefix(std::min(segment.size() + 1, path.size()));
  return segment;
}

/// What stands for the {…} of `pattern`, still encoded; nothing where the path is another.
std::optional<std::vector<std::string_view>> Match(std::string_view pattern, std::string_view path) {
  if (std::count(pattern.begin(), pattern.end(), '/') != std::count(path.begin(), path.end(), '/')) return std::nullopt;
  std::vector<std::string_view> names;
  while (!pattern.empty() || !path.empty()) {
    const std::string_view wanted = TakeSegment(pattern);
    const std::string_view segment = TakeSegment(path);
    const bool any = wanted.starts_with('{') && !segment.empty();
    if (!any && wanted != segment) return std::nullopt;
    if (any) names.push_back(segment);
  }
  return names;
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return lower;
}

bool IsUtf8(const std::string& text) {
  try {
    (void)json(text).dump();
    return true;
  } catch (const json::type_error&) {
    return false;
  }
}

/// How closely a media range ("application/*") names the type: 0 not at all, 3 exactly.
int Closeness(std::string_view range, std::string_view type) {
  if (range == type) return 3;
  if (range == "*/*") return 1;
  return range.ends_with("/*") && type.starts_with(range.substr(0, range.size() - 1)) ? 2 : 0;
}

/// RFC 9110 12.5.1: of the media ranges the closest one counts, and a weight of zero is a no.
bool Accepts(std::string_view accept, std::string_view type) {
  std::string text = Lower(accept);
  std::erase_if(text, [](char c) { return c == ' ' || c == '\t'; });
  if (text.empty()) return true;
  int closest = 0;
  bool taken = false;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view range = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(range.size() + 1, rest.size()));
    const int closeness = Closeness(range.substr(0, range.find(';')), type);
    if (closeness <= closest) continue;
    closest = closeness;
    const auto weight = range.find(";q=");
    taken = weight == std::string_view::npos || range.find_first_not_of("0.", weight + 3) != std::string_view::npos;
  }
  return taken;
}

/// Content where none belongs, or of another type.
std::optional<ApiResponse> RefuseContent(const Operation& operation, const ApiRequest& request) {
  if (!operation.takes_body) {
    if (request.body.empty()) return std::nullopt;
    return Problem(400, "this request takes no content; leave it out");
  }
  std::string type = Lower(request.content_type);
  std::erase(type, ' ');
  if (type == kJson || type == "application/json;charset=utf-8" || type == "application/json;charset=\"utf-8\"")
    return std::nullopt;
  return Problem(415, "the content is JSON in UTF-8; send 'Content-Type: application/json'");
}

ApiResponse WithAllow(ApiResponse response, const Resource& resource) {
  response.fields.emplace_back("Allow", AllowOf(resource));
  return response;
}

/// The operation's answer, or why it does not come to that.
ApiResponse Perform(const Resource& resource, const Operation& operation, Call call) {
  if (!Accepts(call.request.accept, resource.type))
    return Problem(406, "this resource is " + std::string(resource.type) + ", which the request's Accept leaves out");
  auto query = Query::Parse(call.request.query, operation.keys);
  if (!query) return Problem(400, query.error().ToString());
  if (auto refused = RefuseContent(operation, call.request)) return *std::move(refused);
  const bool writes = operation.method != "GET";
  for (const std::string& name : call.names) {
    if (writes && !IsUtf8(name)) return Problem(400, "a name in the path is not UTF-8");
  }
  call.query = *std::move(query);
  return operation.answer(call);
}

ApiResponse Answer(const ApiContext& context, const ApiRequest& request, const Resource& resource,
                   const std::vector<std::string_view>& segments) {
  const std::string_view method = request.method == "HEAD" ? "GET" : std::string_view(request.method);
  if (method == "OPTIONS") return WithAllow({.status = 204, .content_type = {}}, resource);
  const auto operation = std::find_if(resource.operations.begin(), resource.operations.end(),
                                      [&](const Operation& candidate) { return candidate.method == method; });
  if (operation == resource.operations.end())
    return WithAllow(Problem(405, "this resource takes " + AllowOf(resource) + " alone"), resource);
  Call call{context, request, {}, {}};
  for (const std::string_view segment : segments) {
    auto name = policies::PercentDecode(segment);
    if (!name) return Problem(400, "the path has a '%' that is not followed by two hexadecimal digits");
    call.names.push_back(*std::move(name));
  }
  return Perform(resource, *operation, std::move(call));
}

}  // namespace

ApiResponse Route(const ApiContext& context, const ApiRequest& request) {
  if (request.path.size() > kLongestPathBytes) return Problem(414, "a path has at most 8192 bytes");
  if (auto refused = RefuseStrangers(context.access, request)) return *std::move(refused);
  for (const Resource& resource : Resources()) {
    const auto segments = Match(resource.path, request.path);
    if (!segments) continue;
    if (resource.open) return Answer(context, request, resource, *segments);
    if (auto refused = RefuseUnlessAuthorized(context.access, request)) return *std::move(refused);
    return Answer(context, request, resource, *segments);
  }
  if (auto refused = RefuseUnlessAuthorized(context.access, request)) return *std::move(refused);
  return Problem(
      404, "there is no such resource; GET /api/v1 lists them. A vhost in a path is percent-encoded ('/' is %2F)");
}

}  // namespace warren::coordinator
