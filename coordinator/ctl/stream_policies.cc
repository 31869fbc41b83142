// set_policy, clear_policy, list_policies: which exchanges are streams.
#include "coordinator/ctl/command.h"
#include "coordinator/ctl/user_parameters.h"
#include "coordinator/ctl/world.h"
#include "policies/json.h"
#include "policies/names.h"
#include "policies/validate.h"

namespace warren::ctl {
namespace {

/// A policy may be written before its definition, but is worth a word.
void WarnOfUndefined(const Context& context, const std::string& definition) {
  auto parameters = UserParameters(context);
  if (!parameters) return;  // Whoever may not read them will hear of it when writing.
  const std::string wanted = policies::DefinitionParameterName(definition);
  for (const Parameter& parameter : *parameters) {
    if (parameter.name == wanted) return;
  }
  context.Warn("there is no stream definition '" + definition +
               "' yet; the policy has no effect until 'warrenctl set_parameter stream-definition " + definition +
               " JSON' makes one");
}

std::string What(const Context& context, std::string_view name) {
  return "policy '" + std::string(name) + "' of virtual host '" + context.vhost + "'";
}

}  // namespace

Result<int> SetPolicy(const Context& context) {
  const std::string& name = context.arguments[0];
  if (name.empty()) return Fail(ErrorCode::kInvalid, "the name of a policy cannot be empty");
  auto definition = ParseJson(context.arguments[2], "definition of " + What(context, name));
  if (!definition) return tl::unexpected(definition.error());
  const nlohmann::json value = {{"pattern", context.arguments[1]},
                                {"priority", context.priority},
                                {"apply-to", context.apply_to},
                                {"definition", std::move(*definition)}};
  auto policy = policies::ParsePolicy(context.vhost, name, value);
  if (!policy) return tl::unexpected(policy.error());
  if (auto known = CheckVhost(context); !known) return tl::unexpected(known.error());
  WarnOfUndefined(context, policy->definition);
  context.Say("Setting " + What(context, name) + " to pattern '" + policy->pattern + "', stream definition '" +
              policy->definition + "', priority " + std::to_string(policy->priority) + " ...");
  auto written = context.client->PutGlobalParameter(policies::PolicyParameterName(context.vhost, name), value);
  if (!written) return tl::unexpected(written.error());
  return 0;
}

Result<int> ClearPolicy(const Context& context) {
  const std::string& name = context.arguments[0];
  if (name.empty()) return Fail(ErrorCode::kInvalid, "the name of a policy cannot be empty");
  auto cleared = context.client->DeleteGlobalParameter(policies::PolicyParameterName(context.vhost, name));
  if (!cleared) return tl::unexpected(cleared.error());
  if (*cleared == management::WriteOutcome::kChanged) {
    context.Say("Cleared " + What(context, name) + ".");
    return 0;
  }
  return Fail(ErrorCode::kNotFound, "there is none of that name; 'warrenctl list_policies' shows what is there",
              What(context, name));
}

Result<int> ListPolicies(const Context& context) {
  if (auto known = CheckGivenVhost(context); !known) return tl::unexpected(known.error());
  auto parameters = UserParameters(context);
  if (!parameters) return tl::unexpected(parameters.error());
  context.Say("Listing stream policies ...");
  Table table{{"vhost", "name", "pattern", "apply-to", "definition", "priority", "source"}, {}};
  const auto field = [](const nlohmann::json& object, const char* key) {
    return object.is_object() && object.contains(key) ? object.at(key) : nlohmann::json();
  };
  for (const Parameter& parameter : *parameters) {
    auto name = policies::ParseParameterName(parameter.name);
    if (!name || name->kind != policies::ParameterKind::kPolicy) continue;
    if (context.vhost_given && name->vhost != context.vhost) continue;
    if (auto valid = policies::ValidateParameter(parameter); !valid) context.Warn(valid.error().ToString());
    const nlohmann::json& value = parameter.value;
    table.rows.push_back({name->vhost, name->name, field(value, "pattern"), field(value, "apply-to"),
                          field(value, "definition"), field(value, "priority"), parameter.source});
  }
  context.Print(table);
  return 0;
}

}  // namespace warren::ctl
