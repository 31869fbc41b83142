// list_assignments: which consumer consumes which shards, from the coordinator.
#include "coordinator/ctl/command.h"
#include "coordinator/ctl/coordinator_client.h"
#include "coordinator/ctl/time_text.h"

namespace warren::ctl {
namespace {

using nlohmann::json;

json Field(const json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? json() : *found;
}

json Time(const Context& context, const json& time) {
  if (context.format == Format::kJson || !time.is_string()) return time;
  return TimeText(time.get_ref<const std::string&>());
}

/// Whether an entry is of the virtual host and the exchange that were asked for.
bool IsAskedFor(const Context& context, const json& entry) {
  if (!entry.is_object()) return false;
  if (context.vhost_given && Field(entry, "vhost") != context.vhost) return false;
  return context.arguments.empty() || Field(entry, "exchange") == context.arguments[0];
}

json List(const json& document, const char* key) {
  json list = Field(document, key);
  return list.is_array() ? list : json::array();
}

void WarnOfGaps(const Context& context, const json& document) {
  for (const json& notice : List(document, "notices")) {
    if (notice.is_string()) context.Warn(notice.get_ref<const std::string&>());
  }
  for (const json& shard : List(document, "uncovered")) {
    if (!IsAskedFor(context, shard)) continue;
    const json queue = Field(shard, "queue"), vhost = Field(shard, "vhost");
    if (!queue.is_string() || !vhost.is_string()) continue;
    context.Warn("nobody consumes shard '" + queue.get<std::string>() + "' in virtual host '" +
                 vhost.get<std::string>() + "'");
  }
}

}  // namespace

Result<int> ListAssignments(const Context& context) {
  auto document = AskCoordinator(context, "/api/v1/assignments");
  if (!document) return tl::unexpected(document.error());
  const auto entries = document->find("assignments");
  if (entries == document->end() || !entries->is_array()) {
    return Fail(ErrorCode::kProtocol, "its answer has no list of assignments: it is no coordinator, or another version",
                "coordinator " + context.coordinator);
  }
  // The names of a consumer's shards are too long for a table.
  const bool names = context.format != Format::kTable;
  Table table{{"vhost", "exchange", "instance", "kind", "node", "shards", "local", "since", "last_seen"}, {}};
  if (names) table.columns.emplace_back("queues");
  for (const json& entry : *entries) {
    if (!IsAskedFor(context, entry)) continue;
    const json queues = List(entry, "shards");
    std::vector<json> row{Field(entry, "vhost"),
                          Field(entry, "exchange"),
                          Field(entry, "instance"),
                          Field(entry, "kind"),
                          Field(entry, "node"),
                          queues.size(),
                          Field(entry, "local"),
                          Time(context, Field(entry, "since")),
                          Time(context, Field(entry, "last_seen"))};
    if (names) row.push_back(queues);
    table.rows.push_back(std::move(row));
  }
  WarnOfGaps(context, *document);
  if (table.rows.empty()) context.Say("No consumers.");
  if (!table.rows.empty() || !context.talks()) context.Print(table);
  return 0;
}

}  // namespace warren::ctl
