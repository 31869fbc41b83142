// Validators of single definitions, policies, global defaults and nodes: for warrenctl before it writes one,
// and for the catalog when it reads them all.
//
// The schema first (schema.h), then what no schema can say. Messages carry the parameter as context.
// Pure; safe from any thread.
#pragma once

#include <string_view>

#include "policies/catalog.h"
#include "policies/error.h"
#include "policies/names.h"
#include "policies/parameter.h"

namespace warren::policies {

/// A value for parameter stream-definition.<name>.
Result<void> ValidateDefinition(std::string_view name, const nlohmann::json& value);

/// A value for parameter stream-policy.<vhost>.<name>. Does not ask whether the definition it names exists.
Result<void> ValidatePolicy(std::string_view vhost, std::string_view name, const nlohmann::json& value);

/// A value for parameter stream.<key>; unknown keys are errors.
Result<void> ValidateGlobal(std::string_view key, const nlohmann::json& value);

/// A value for parameter stream-node.<node>.
Result<void> ValidateNode(std::string_view node, const nlohmann::json& value);

/// Any of the four, by the parameter's name; a name that is not Warren's is an error.
Result<void> ValidateParameter(const Parameter& parameter);

/// A validated policy as a value.
Result<Policy> ParsePolicy(std::string_view vhost, std::string_view name, const nlohmann::json& value);

/// Remarks on a valid definition that the exchange's type decides, as in "routing-key is not an integer, so
/// consistent-hash exchanges are refused"; empty when there is nothing to say. For people, never an error.
std::vector<std::string> AdviseOnDefinition(const nlohmann::json& value);

}  // namespace warren::policies
