// Plans as JSON: the one rendering that the REST API and warrenctl share. Field names are snake_case;
// what is unknown is null, not zero. Pure.
#pragma once

#include <nlohmann/json.hpp>

#include "shardmgr/plan/plan.h"

namespace warren {

nlohmann::json ToJson(const Plan& plan);
nlohmann::json ToJson(const StreamPlan& stream);
nlohmann::json ToJson(const Shard& shard);
nlohmann::json ToJson(const Action& action);
nlohmann::json ToJson(const Condition& condition);
nlohmann::json ToJson(const StreamSpec& spec);

}  // namespace warren
