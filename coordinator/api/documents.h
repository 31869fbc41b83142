// The documents that the REST API gives, made from a snapshot: what docs/openapi.yaml has schemas for. Reads and
// nothing else; any thread.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "coordinator/api/query.h"
#include "coordinator/assignment_view.h"
#include "coordinator/events.h"
#include "coordinator/journal.h"
#include "coordinator/lease.h"
#include "coordinator/status.h"
#include "policies/names.h"

namespace warren::coordinator {

/// What documents are made of.
struct View {
  std::shared_ptr<const Snapshot> snapshot;
  std::int64_t now_ms = 0;
  EventStatus events = {};
  const Journal* journal = nullptr;  ///< Null: empty.
  LeaseStatus lease = {};
  std::shared_ptr<const AssignmentView> assignments = {};  ///< Null: none.
};

/// Of what the cluster was when it was last observed, and how old that is; part of every document.
nlohmann::json Observation(const View& view);

// Lists: the entries that `query` asks for, with `total` (how many there are of those) and `offset`.
nlohmann::json Streams(const View& view, const Query& query);
nlohmann::json Shards(const View& view, const Query& query);
nlohmann::json Nodes(const View& view, const Query& query);
nlohmann::json PlanDocument(const View& view, const Query& query);
/// Consumers with what each is to consume, and the shards that nobody consumes.
nlohmann::json Assignments(const View& view, const Query& query);
nlohmann::json Parameters(const View& view, const Query& query, policies::ParameterKind kind, const char* list);
/// The newest ones, oldest of them first; `limit` counts from the end.
nlohmann::json Events(const View& view, const Query& query);

/// One stream; nothing when no policy matches it and it has no shards.
std::optional<nlohmann::json> OneStream(const View& view, std::string_view vhost, std::string_view exchange);
/// The parameter of that name as it is in force; nothing when there is none.
const Parameter* FindParameter(const View& view, const std::string& name);
/// A definition or policy: name, value and source, and of a policy the vhost.
nlohmann::json ParameterJson(const policies::ParameterName& name, const nlohmann::json& value,
                             const std::string& source);

}  // namespace warren::coordinator
