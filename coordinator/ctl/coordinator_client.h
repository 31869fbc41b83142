// Reads the REST API of a coordinator. Blocks; one thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "coordinator/ctl/command.h"
#include "policies/error.h"

namespace warren::ctl {

/// GET of a path ("/api/v1/events") at --coordinator. Errors: kUnavailable (nobody answers, 5xx), kTimeout, kProtocol
/// (it is no coordinator, or one that does not know the path).
Result<nlohmann::json> AskCoordinator(const Context& context, const std::string& path);

}  // namespace warren::ctl
