// Two shapes, written and recognised.
#include "coordinator/ctl/documents.h"

#include "policies/file.h"
#include "policies/json.h"
#include "policies/names.h"
#include "shardmgr/broker/management/parse.h"

namespace warren::ctl {
namespace {

constexpr const char* kGlobalParameters = "global_parameters";

/// Fields of a definitions file by which it is known even if it has no global parameters.
bool IsDefinitionsFile(const nlohmann::json& document) {
  for (const char* field : {kGlobalParameters, "rabbitmq_version", "rabbit_version", "vhosts", "users"}) {
    if (document.contains(field)) return true;
  }
  return false;
}

Result<Document> ReadDefinitions(const nlohmann::json& file, const std::string& source) {
  Document document;
  document.is_definitions = true;
  const nlohmann::json list = file.value(kGlobalParameters, nlohmann::json::array());
  if (!list.is_array()) {
    return Fail(ErrorCode::kInvalid,
                "field 'global_parameters' of a definitions file is a list, and here it is " + JsonForMessage(list),
                source);
  }
  std::set<std::string> names;
  for (const nlohmann::json& entry : list) {
    if (!entry.is_object() || !entry.contains("name") || !entry["name"].is_string() || !entry.contains("value")) {
      return Fail(ErrorCode::kInvalid,
                  "an entry of 'global_parameters' has to be an object with 'name' and 'value', and this is " +
                      JsonForMessage(entry),
                  source);
    }
    Parameter parameter{entry["name"].get<std::string>(), entry["value"], source};
    if (!policies::IsOurParameter(parameter.name)) {
      ++document.left_out;
      continue;
    }
    if (!names.insert(parameter.name).second) {
      return Fail(ErrorCode::kInvalid, "global parameter '" + parameter.name + "' is there twice", source);
    }
    management::RestoreEmptyObjects(parameter.value);
    document.parameters.push_back(std::move(parameter));
  }
  return document;
}

bool IsPolicy(const Parameter& parameter) {
  const auto name = policies::ParseParameterName(parameter.name);
  return name && name->kind == policies::ParameterKind::kPolicy;
}

/// That a node is drained is something that is going on in one cluster; another one may have a node of that name.
void LeaveOutDrainedNodes(Document& document) {
  std::erase_if(document.parameters, [&](const Parameter& parameter) {
    const auto name = policies::ParseParameterName(parameter.name);
    const bool is_node = name && name->kind == policies::ParameterKind::kNode;
    if (is_node) document.drained_nodes.push_back(name->name);
    return is_node;
  });
}

}  // namespace

nlohmann::json WarrenDocument(const std::vector<Parameter>& parameters) {
  nlohmann::json document = nlohmann::json::object();
  for (const Parameter& parameter : parameters) document[parameter.name] = parameter.value;
  return document;
}

nlohmann::json DefinitionsDocument(const std::vector<Parameter>& parameters) {
  nlohmann::json list = nlohmann::json::array();
  for (const Parameter& parameter : parameters) list.push_back({{"name", parameter.name}, {"value", parameter.value}});
  return {{kGlobalParameters, std::move(list)}};
}

Result<Document> ReadDocument(std::string_view text, const std::string& source) {
  // The broker's own files may repeat what users wrote; ours are read strictly, below.
  auto file = ParseJson(text, source, JsonRules::kForeign);
  if (!file) return tl::unexpected(file.error());
  Result<Document> document;
  if (file->is_object() && IsDefinitionsFile(*file)) {
    document = ReadDefinitions(*file, source);
  } else {
    auto parameters = policies::ParsePoliciesFile(text, source);
    if (!parameters) return tl::unexpected(parameters.error());
    document->parameters = std::move(*parameters);
  }
  if (!document) return document;
  LeaveOutDrainedNodes(*document);
  std::stable_partition(document->parameters.begin(), document->parameters.end(), std::not_fn(IsPolicy));
  return document;
}

}  // namespace warren::ctl
