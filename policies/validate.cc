// Schema, then the few rules that no schema can say: bytes, patterns, keys that contradict each other.
#include "policies/validate.h"

#include <fmt/format.h>

#include "policies/json.h"
#include "policies/pattern.h"
#include "policies/schema.h"
#include "policies/stream_spec.h"

namespace warren::policies {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxShortStringBytes = 255;  // AMQP 0-9-1 short string: names, routing keys

std::string Context(ParameterKind kind, std::string_view vhost, std::string_view name) {
  return Describe(ParameterName{kind, std::string(vhost), std::string(name)});
}

/// Rules on a definition's keys beyond the schema; `keys` may hold some keys only.
std::optional<std::string> FindKeyProblem(const json& keys) {
  for (const char* key : {"routing-key", "local-username"}) {
    if (!keys.contains(key)) continue;
    const std::size_t bytes = keys[key].get_ref<const std::string&>().size();
    if (bytes > kMaxShortStringBytes) {
      return fmt::format("{} is {} bytes long; it takes at most {}", key, bytes, kMaxShortStringBytes);
    }
  }
  if (!keys.contains("queue")) return std::nullopt;
  const json arguments = keys["queue"].value("arguments", json::object());
  for (const auto& [argument, unused] : arguments.items()) {
    if (!argument.empty() && argument.size() <= kMaxShortStringBytes) continue;
    return fmt::format("queue.arguments has a name of {} bytes; it takes 1 to {}", argument.size(),
                       kMaxShortStringBytes);
  }
  return std::nullopt;
}

Result<void> Check(SchemaId schema, const json& value, const std::string& context) {
  if (auto violation = FindSchemaViolation(schema, value)) {
    return Fail(ErrorCode::kInvalid, *std::move(violation), context);
  }
  if (schema == SchemaId::kPolicy || schema == SchemaId::kNode) return {};
  if (auto problem = FindKeyProblem(value)) return Fail(ErrorCode::kInvalid, *std::move(problem), context);
  return {};
}

bool IsPositiveInteger(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos &&
         text.find_first_not_of('0') != std::string::npos;
}

}  // namespace

Result<void> ValidateDefinition(std::string_view name, const json& value) {
  return Check(SchemaId::kDefinition, value, Context(ParameterKind::kDefinition, {}, name));
}

Result<void> ValidateGlobal(std::string_view key, const json& value) {
  return Check(SchemaId::kGlobal, json{{std::string(key), value}}, Context(ParameterKind::kGlobal, {}, key));
}

Result<void> ValidatePolicy(std::string_view vhost, std::string_view name, const json& value) {
  auto policy = ParsePolicy(vhost, name, value);
  if (!policy) return tl::unexpected(policy.error());
  return {};
}

Result<void> ValidateNode(std::string_view node, const json& value) {
  return Check(SchemaId::kNode, value, Context(ParameterKind::kNode, {}, node));
}

Result<void> ValidateParameter(const Parameter& parameter) {
  const auto name = ParseParameterName(parameter.name);
  if (!name) return tl::unexpected(name.error());
  switch (name->kind) {
    case ParameterKind::kDefinition: return ValidateDefinition(name->name, parameter.value);
    case ParameterKind::kPolicy: return ValidatePolicy(name->vhost, name->name, parameter.value);
    case ParameterKind::kGlobal: return ValidateGlobal(name->name, parameter.value);
    case ParameterKind::kNode: return ValidateNode(name->name, parameter.value);
  }
  return Fail(ErrorCode::kInternal, "unknown kind of parameter", parameter.name);
}

Result<Policy> ParsePolicy(std::string_view vhost, std::string_view name, const json& value) {
  const std::string context = Context(ParameterKind::kPolicy, vhost, name);
  if (auto valid = Check(SchemaId::kPolicy, value, context); !valid) return tl::unexpected(valid.error());
  Policy policy;
  policy.vhost = vhost;
  policy.name = name;
  policy.pattern = value["pattern"].get<std::string>();
  policy.priority = value.value("priority", 0);
  policy.definition = value["definition"]["stream-definition"].get<std::string>();
  if (auto compiled = Pattern::Compile(policy.pattern); !compiled) {
    return Fail(ErrorCode::kInvalid, "pattern " + compiled.error().message, context);
  }
  return policy;
}

std::vector<std::string> AdviseOnDefinition(const json& value) {
  std::vector<std::string> advice;
  if (value.contains("routing-key") && !IsPositiveInteger(value["routing-key"].get_ref<const std::string&>())) {
    advice.push_back(fmt::format(
        "routing-key {} is not an integer of at least 1 in a string; streams on x-consistent-hash exchanges will not "
        "be "
        "ready with it (x-modulus-hash and x-random take it)",
        JsonForMessage(value["routing-key"])));
  }
  return advice;
}

}  // namespace warren::policies
