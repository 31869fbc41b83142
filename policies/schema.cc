// The only user of valijson (heavy headers). The schema judges; what it rejects is then explained by
// walking down to the innermost place it complained about.
#include "policies/schema.h"

#include <fmt/format.h>

#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include "policies/json.h"
#include "policies/nearest.h"

namespace warren::policies {
namespace {

using nlohmann::json;
using Path = std::vector<std::string>;

/// A schema as JSON (for explanations) and compiled (for verdicts). Made once, never freed.
struct Compiled {
  json document;
  valijson::Schema schema;
};

const Compiled& Get(SchemaId id);

std::unique_ptr<Compiled> Compile(SchemaId id) {
  auto compiled = std::make_unique<Compiled>();
  compiled->document = json::parse(SchemaText(id));
  // The global schema refers to the definition's; no other schema is ever fetched.
  const auto fetch = [](const std::string& uri) -> const json* {
    return uri.ends_with("stream-definition.schema.json") ? &Get(SchemaId::kDefinition).document : nullptr;
  };
  valijson::SchemaParser parser(valijson::SchemaParser::kDraft7);
  parser.populateSchema(valijson::adapters::NlohmannJsonAdapter(compiled->document), compiled->schema,
                        valijson::SchemaParser::FunctionPtrs<valijson::adapters::NlohmannJsonAdapter>::FetchDoc(fetch),
                        [](const json*) {});
  return compiled;
}

const Compiled& Get(SchemaId id) {
  static const std::unique_ptr<Compiled> definition = Compile(SchemaId::kDefinition);
  if (id == SchemaId::kDefinition) return *definition;
  if (id == SchemaId::kPolicy) {
    static const std::unique_ptr<Compiled> policy = Compile(SchemaId::kPolicy);
    return *policy;
  }
  if (id == SchemaId::kNode) {
    static const std::unique_ptr<Compiled> node = Compile(SchemaId::kNode);
    return *node;
  }
  static const std::unique_ptr<Compiled> global = Compile(SchemaId::kGlobal);
  return *global;
}

/// valijson's context is {"<root>", "[queue]", "[type]"}; the keys alone.
Path KeysOf(const std::vector<std::string>& context) {
  Path keys;
  for (std::size_t i = 1; i < context.size(); ++i) {
    const std::string& part = context[i];
    const bool bracketed = part.size() >= 2 && part.front() == '[' && part.back() == ']';
    keys.push_back(bracketed ? part.substr(1, part.size() - 2) : part);
  }
  return keys;
}

Path InnermostComplaint(const valijson::ValidationResults& results) {
  Path innermost;
  for (const auto& error : results) {
    Path path = KeysOf(error.context);
    if (path.size() > innermost.size()) innermost = std::move(path);
  }
  return innermost;
}

std::string Join(const Path& path) { return fmt::format("{}", fmt::join(path, ".")); }

std::vector<std::string> KnownKeys(const json& schema) {
  std::vector<std::string> keys;
  if (schema.contains("properties")) {
    for (const auto& [key, unused] : schema["properties"].items()) keys.push_back(key);
  }
  return keys;
}

/// A sentence for an object whose own keys are wrong: unknown or missing ones, combinations.
std::optional<std::string> ExplainKeys(const json& schema, const json& value, const Path& path) {
  const std::string inside = path.empty() ? "" : fmt::format(" in {}", Join(path));
  const std::vector<std::string> known = KnownKeys(schema);
  if (!schema.value("additionalProperties", true)) {
    for (const auto& [key, unused] : value.items()) {
      if (std::find(known.begin(), known.end(), key) != known.end()) continue;
      const auto nearest = NearestName(key, known);
      return fmt::format("{} is not a known key{}; {}known keys are {}", JsonForMessage(key), inside,
                         nearest ? fmt::format("did you mean \"{}\"? The ", *nearest) : "the ", fmt::join(known, ", "));
    }
  }
  for (const json& required : schema.value("required", json::array())) {
    const std::string& key = required.get_ref<const std::string&>();
    if (value.contains(key)) continue;
    return fmt::format("the key {} is missing{}; it takes {}", key, inside,
                       schema["properties"][key].value("takes", "a value"));
  }
  return std::nullopt;
}

/// The two rules of the definition's schema that no "takes" can say.
std::optional<std::string> ExplainRule(const json& value, const Path& path) {
  if (path == Path{"queue", "arguments"} && value.contains("x-queue-type")) {
    return "queue.arguments has x-queue-type; give the type with the key queue.type instead";
  }
  if (path == Path{"queue"} && value.value("type", json()) == "quorum" && value.value("durable", json()) == false) {
    return "queue.durable is false with queue.type \"quorum\"; quorum queues are always durable: leave durable out, or "
           "take type \"classic\"";
  }
  return std::nullopt;
}

std::string Explain(const json& root_schema, const json& root_value, const Path& complaint) {
  const json* schema = &root_schema;
  const json* value = &root_value;
  Path path;
  for (std::size_t depth = 0;; ++depth) {
    if (value->is_object()) {
      if (auto keys = ExplainKeys(*schema, *value, path)) return *keys;
      if (auto rule = ExplainRule(*value, path)) return *rule;
    }
    if (depth == complaint.size() || !value->is_object() || !value->contains(complaint[depth])) break;
    const json& properties = schema->value("properties", json::object());
    if (!properties.contains(complaint[depth])) break;
    schema = &(*schema)["properties"][complaint[depth]];
    value = &(*value)[complaint[depth]];
    path.push_back(complaint[depth]);
  }
  return fmt::format("{} is {}; it takes {}", path.empty() ? "the value" : Join(path), JsonForMessage(*value),
                     schema->value("takes", "another value"));
}

}  // namespace

std::optional<std::string> FindSchemaViolation(SchemaId id, const json& value) {
  valijson::Validator validator(valijson::Validator::kStrongTypes);
  valijson::ValidationResults results;
  const valijson::adapters::NlohmannJsonAdapter target(value);
  if (validator.validate(Get(id).schema, target, &results)) return std::nullopt;
  const SchemaId explained_by = id == SchemaId::kGlobal ? SchemaId::kDefinition : id;
  return Explain(Get(explained_by).document, value, InnermostComplaint(results));
}

bool IsDefinitionKey(std::string_view key) { return Get(SchemaId::kDefinition).document["properties"].contains(key); }

}  // namespace warren::policies
