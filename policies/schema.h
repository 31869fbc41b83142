// The published JSON Schemas (policies/schema), compiled in, as the validator.
//
// A value is right exactly when its schema says so; this file turns a schema's verdict into a
// sentence that names the key, its value and what would be right (the schema's own "takes").
// Checks no schema can express (does a pattern compile?) are in validate.cc. Pure; safe from any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace warren::policies {

enum class SchemaId { kDefinition, kPolicy, kGlobal, kNode };

/// The schema's text, as published.
std::string_view SchemaText(SchemaId id);

/// What is wrong with `value`, as one sentence; nothing when the schema accepts it.
std::optional<std::string> FindSchemaViolation(SchemaId id, const nlohmann::json& value);

/// Whether a stream definition has that key.
bool IsDefinitionKey(std::string_view key);

}  // namespace warren::policies
