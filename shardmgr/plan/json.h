// Plans as JSON: the one rendering that the REST API and warrenctl share. Field names are snake_case; times are
// RFC 3339 in UTC; what is unknown is null, not zero. Pure.
#pragma once

#include <nlohmann/json.hpp>

#include "shardmgr/plan/plan.h"

namespace warren {

/// Unix milliseconds as "2026-01-31T23:59:58.123Z"; null for 0, which is how values here say that a time is not known.
nlohmann::json TimeJson(std::int64_t unix_ms);

nlohmann::json ToJson(const Plan& plan);
nlohmann::json ToJson(const StreamPlan& stream);
nlohmann::json ToJson(const Shard& shard);
nlohmann::json ToJson(const Action& action);
nlohmann::json ToJson(const Condition& condition);
nlohmann::json ToJson(const StreamSpec& spec);

}  // namespace warren
