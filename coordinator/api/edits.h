// What the REST API changes: stream definitions and policies, which are global parameters of the broker, and nodes'
// drains. Values are checked by the validators that warrenctl has, before the broker is asked. Answers that need the
// broker are ApiResponse::later. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "coordinator/api/routes.h"
#include "policies/names.h"

namespace warren::coordinator {

/// Writes the parameter: 201 when it is new, else 200. 400 for what is no JSON, 422 for a value that is wrong, 409 for
/// one that a file overrides, 404 for a policy of an unknown vhost, 503 while the cluster was not observed.
ApiResponse PutParameter(const ApiContext& context, const policies::ParameterName& name, const std::string& body);

/// Deletes the parameter: 204, or 404 when there is none; 409 for one of a file.
ApiResponse ClearParameter(const ApiContext& context, const policies::ParameterName& name);

/// Has the node emptied of shards, or filled again: 200. A node that left the cluster can still be one to be drained,
/// so that only `drain` asks whether it is there.
ApiResponse SetDrain(const ApiContext& context, const std::string& node, bool drain);

}  // namespace warren::coordinator
