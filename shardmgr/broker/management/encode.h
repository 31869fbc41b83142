// Bodies of the management API's writes. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "policies/error.h"
#include "policies/stream_spec.h"
#include "shardmgr/model/topology.h"

namespace warren::management {

/// `document` as JSON text; kInvalid when a string in it is not UTF-8.
Result<std::string> Encode(const nlohmann::json& document);

/// Body of PUT /api/queues. x-queue-type is always said, since a virtual host may default to another type.
nlohmann::json QueueBody(const QueueTemplate& queue, std::string_view node);

/// Body of PUT /api/exchanges.
nlohmann::json ExchangeBody(const Exchange& exchange);

/// Body of POST /api/bindings.
nlohmann::json BindingBody(std::string_view routing_key);

}  // namespace warren::management
