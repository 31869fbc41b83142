// What `status` shows, as a value, and its renderings. Pure.
//
// Streams are JSON as the REST API has them (shardmgr/plan/json.h with `since` in each condition), so that what a
// coordinator tells and what warrenctl sees for itself look the same.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>

#include "coordinator/ctl/table.h"
#include "shardmgr/plan/plan.h"

namespace warren::ctl {

struct StatusView {
  std::string observed_at;  ///< RFC 3339; empty: never.
  std::string source;       ///< Who looked: "this run of warrenctl", "coordinator http://…"
  std::string leader;       ///< The coordinator that leads; empty: none, or not known.
  std::string trouble;      ///< Why it is not newer; empty: it is new.
  nlohmann::json streams = nlohmann::json::array();
  nlohmann::json problems = nlohmann::json::array();  ///< Of parameters and files: conditions.

  /// Keeps the streams of this name, and of this virtual host unless it is empty.
  void Keep(const std::string& vhost, const std::string& exchange);
};

/// Since when conditions hold, as far as one run has seen their beginning.
class SinceBook {
 public:
  /// The view of a plan: `since` is null where the first plan had the condition already.
  StatusView View(const Plan& plan);

 private:
  std::map<std::tuple<std::string, std::string, std::string, std::string>, nlohmann::json> since_;
  bool first_ = true;
};

/// For people: a line a stream, below it its conditions and drains.
std::string StatusText(const StatusView& view);
/// {"observed_at", "source", "leader", "error", "streams", "problems"}; what is not known or not there is null.
nlohmann::json StatusJson(const StatusView& view);
/// One row a problem of a parameter (with the state "problem" and no exchange), then one a condition.
Table StatusTable(const StatusView& view);

}  // namespace warren::ctl
