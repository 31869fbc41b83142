// set_parameter, clear_parameter, list_parameters: stream definitions and global defaults.
#include <limits>

#include "coordinator/ctl/command.h"
#include "coordinator/ctl/user_parameters.h"
#include "policies/json.h"
#include "policies/names.h"
#include "policies/validate.h"

namespace warren::ctl {
namespace {

constexpr std::string_view kDefinitionComponent = "stream-definition";
constexpr std::string_view kGlobalComponent = "stream";
constexpr std::size_t kWholeValue = std::numeric_limits<std::size_t>::max();

struct Target {
  std::string parameter;  ///< Name of the global parameter.
  bool is_definition = false;
};

Result<Target> TargetOf(const Context& context) {
  const std::string& component = context.arguments[0];
  const std::string& name = context.arguments[1];
  if (component != kDefinitionComponent && component != kGlobalComponent) {
    return Fail(ErrorCode::kUsage, "there is no component '" + component + "'; it is stream-definition or stream");
  }
  if (name.empty()) return Fail(ErrorCode::kInvalid, "the name of a parameter cannot be empty", component);
  if (component == kDefinitionComponent) return Target{policies::DefinitionParameterName(name), true};
  return Target{policies::GlobalParameterName(name), false};
}

void MentionVhost(const Context& context) {
  if (context.vhost_given) context.Warn("parameters hold for the whole cluster, --vhost has no effect on them");
}

}  // namespace

Result<int> SetParameter(const Context& context) {
  auto target = TargetOf(context);
  if (!target) return tl::unexpected(target.error());
  const std::string& name = context.arguments[1];
  auto value = ParseJson(context.arguments[2], context.arguments[0] + " '" + name + "'");
  if (!value) return tl::unexpected(value.error());
  auto valid =
      target->is_definition ? policies::ValidateDefinition(name, *value) : policies::ValidateGlobal(name, *value);
  if (!valid) return tl::unexpected(valid.error());
  MentionVhost(context);
  if (target->is_definition) {
    for (const std::string& advice : policies::AdviseOnDefinition(*value)) context.Warn(advice);
  }
  context.Say("Setting " + context.arguments[0] + " '" + name + "' ...");
  auto written = context.client->PutGlobalParameter(target->parameter, *value);
  if (!written) return tl::unexpected(written.error());
  return 0;
}

Result<int> ClearParameter(const Context& context) {
  auto target = TargetOf(context);
  if (!target) return tl::unexpected(target.error());
  MentionVhost(context);
  auto cleared = context.client->DeleteGlobalParameter(target->parameter);
  if (!cleared) return tl::unexpected(cleared.error());
  if (*cleared == management::WriteOutcome::kChanged) {
    context.Say("Cleared " + context.arguments[0] + " '" + context.arguments[1] + "'.");
    return 0;
  }
  return Fail(ErrorCode::kNotFound, "there is none of that name; 'warrenctl list_parameters' shows what is there",
              context.arguments[0] + " '" + context.arguments[1] + "'");
}

Result<int> ListParameters(const Context& context) {
  auto parameters = UserParameters(context);
  if (!parameters) return tl::unexpected(parameters.error());
  context.Say("Listing stream definitions and defaults ...");
  Table table{{"component", "name", "value", "source"}, {}};
  for (const Parameter& parameter : *parameters) {
    auto name = policies::ParseParameterName(parameter.name);
    if (!name) {
      context.Warn(name.error().ToString());
      continue;
    }
    const bool is_definition = name->kind == policies::ParameterKind::kDefinition;
    if (!is_definition && name->kind != policies::ParameterKind::kGlobal) continue;
    if (auto valid = policies::ValidateParameter(parameter); !valid) context.Warn(valid.error().ToString());
    // As JSON text where the format has no types, so that "4321" and 4321 stay apart.
    const nlohmann::json value = context.format == Format::kJson
                                     ? parameter.value
                                     : nlohmann::json(JsonForMessage(parameter.value, kWholeValue));
    table.rows.push_back(
        {is_definition ? kDefinitionComponent : kGlobalComponent, name->name, value, parameter.source});
  }
  context.Print(table);
  return 0;
}

}  // namespace warren::ctl
