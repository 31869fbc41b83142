// See edits.h.
#include "coordinator/api/edits.h"

#include <algorithm>
#include <optional>

#include "policies/json.h"
#include "policies/validate.h"

namespace warren::coordinator {
namespace {

using nlohmann::json;
using policies::ParameterKind;
using policies::ParameterName;

constexpr std::string_view kOfBroker = "global parameter";  // Parameter::source of what can be written here.

std::string NameOfParameter(const ParameterName& name) {
  return name.kind == ParameterKind::kPolicy ? policies::PolicyParameterName(name.vhost, name.name)
                                             : policies::DefinitionParameterName(name.name);
}

/// Why it cannot be written at all; nothing: it can.
std::optional<ApiResponse> Locked(const ApiContext& context, const ParameterName& name) {
  if (context.view.snapshot->observed_at_ms == 0) {
    return Problem(503,
                   "the cluster was not observed yet, so it is not known what is written there; GET /readyz says "
                   "why");
  }
  const Parameter* known = FindParameter(context.view, NameOfParameter(name));
  if (known == nullptr || known->source == kOfBroker) return std::nullopt;
  return Problem(409, policies::Describe(name) + " comes from the file " + known->source +
                          ", which wins over what is written here; change the file");
}

Result<void> Validate(const ParameterName& name, const json& value) {
  return name.kind == ParameterKind::kPolicy ? policies::ValidatePolicy(name.vhost, name.name, value)
                                             : policies::ValidateDefinition(name.name, value);
}

/// Remarks on a valid value.
std::vector<std::string> Advice(const View& view, const ParameterName& name, const json& value) {
  if (name.kind == ParameterKind::kDefinition) return policies::AdviseOnDefinition(value);
  const std::string definition = value["definition"]["stream-definition"];
  if (FindParameter(view, policies::DefinitionParameterName(definition)) != nullptr) return {};
  return {"there is no stream definition '" + definition + "' yet; the policy has no effect until there is one"};
}

/// 404 when a policy's virtual host is not there. Blocks.
std::optional<ApiResponse> MissingVhost(ParameterEditor& editor, const ParameterName& name) {
  if (name.kind != ParameterKind::kPolicy) return std::nullopt;
  const auto vhosts = editor.Vhosts();
  if (!vhosts) return BrokerProblem(vhosts.error());
  if (std::find(vhosts->begin(), vhosts->end(), name.vhost) != vhosts->end()) return std::nullopt;
  return Problem(404, "there is no virtual host '" + name.vhost +
                          "', or the coordinator's user has no permission in it; create it with rabbitmqctl add_vhost");
}

ApiResponse Later(std::function<ApiResponse()> answer) {
  ApiResponse response;
  response.later = std::move(answer);
  return response;
}

}  // namespace

ApiResponse PutParameter(const ApiContext& context, const ParameterName& name, const std::string& body) {
  auto value = ParseJson(body, "body");
  if (!value) return Problem(400, value.error().ToString());
  if (const auto valid = Validate(name, *value); !valid) return Problem(422, valid.error().ToString());
  if (auto locked = Locked(context, name)) return *std::move(locked);
  return Later([&editor = *context.editor, view = context.view, name, value = *std::move(value)] {
    if (auto missing = MissingVhost(editor, name)) return *std::move(missing);
    const auto written = editor.Put(NameOfParameter(name), value);
    if (!written) return BrokerProblem(written.error());
    json document = ParameterJson(name, value, std::string(kOfBroker));
    document["advice"] = Advice(view, name, value);
    return Ok(document, *written ? 201 : 200);
  });
}

ApiResponse ClearParameter(const ApiContext& context, const ParameterName& name) {
  if (auto locked = Locked(context, name)) return *std::move(locked);
  return Later([&editor = *context.editor, name] {
    const auto cleared = editor.Clear(NameOfParameter(name));
    if (!cleared) return BrokerProblem(cleared.error());
    if (!*cleared) return Problem(404, "there is no " + policies::Describe(name));
    return ApiResponse{.status = 204, .content_type = {}};
  });
}

ApiResponse SetDrain(const ApiContext& context, const std::string& node, bool drain) {
  const Snapshot& snapshot = *context.view.snapshot;
  if (snapshot.observed_at_ms == 0)
    return Problem(503, "the cluster was not observed yet, so its nodes are not known; GET /readyz says why");
  const bool known = std::any_of(snapshot.nodes.begin(), snapshot.nodes.end(),
                                 [&](const NodeStatus& status) { return status.node.name == node; });
  if (drain && !known)
    return Problem(404, "'" + node + "' is not a node of this cluster; GET /api/v1/nodes lists the nodes");
  return Later([set_drain = context.set_drain, node, drain] {
    const auto done = set_drain(node, drain);
    return done ? Ok({{"node", node}, {"drain", drain}}) : BrokerProblem(done.error());
  });
}

}  // namespace warren::coordinator
