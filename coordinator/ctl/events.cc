// events: what the coordinator heard and did lately.
#include "coordinator/ctl/command.h"
#include "coordinator/ctl/coordinator_client.h"
#include "coordinator/ctl/time_text.h"

namespace warren::ctl {
namespace {

nlohmann::json Field(const nlohmann::json& event, const char* key) {
  const auto found = event.find(key);
  return found == event.end() ? nlohmann::json() : *found;
}

}  // namespace

Result<int> ListEvents(const Context& context) {
  auto document = AskCoordinator(context, "/api/v1/events");
  if (!document) return tl::unexpected(document.error());
  const auto events = document->find("events");
  if (events == document->end() || !events->is_array()) {
    return Fail(ErrorCode::kProtocol, "its answer has no list of events: it is no coordinator, or another version",
                "coordinator " + context.coordinator);
  }
  Table table{{"time", "kind", "vhost", "exchange", "message"}, {}};
  if (context.format == Format::kJson) table.columns[0] = "at";
  for (const nlohmann::json& event : *events) {
    if (!event.is_object()) continue;
    if (context.vhost_given && Field(event, "vhost") != context.vhost) continue;
    nlohmann::json time = Field(event, "at");
    if (context.format != Format::kJson && time.is_string()) time = TimeText(time.get_ref<const std::string&>());
    table.rows.push_back({std::move(time), Field(event, "kind"), Field(event, "vhost"), Field(event, "exchange"),
                          Field(event, "message")});
  }
  if (table.rows.empty()) context.Say("No events.");
  if (!table.rows.empty() || !context.talks()) context.Print(table);
  return 0;
}

}  // namespace warren::ctl
