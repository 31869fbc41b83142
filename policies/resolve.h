// From a definition and the global defaults to a StreamSpec. Internal to policies/.
#pragma once

#include <map>
#include <string>

#include "policies/error.h"
#include "policies/stream_spec.h"

namespace warren::policies {

/// A global default: its value when it is valid, else why it is not.
using Globals = std::map<std::string, Result<nlohmann::json>, std::less<>>;

/// Each key from `definition` (valid), else from `globals`, else built in. Fails when a key has to come
/// from a global default that is not valid, or when the keys together make no sense.
Result<StreamSpec> ResolveSpec(const std::string& name, const nlohmann::json& definition, const Globals& globals);

}  // namespace warren::policies
