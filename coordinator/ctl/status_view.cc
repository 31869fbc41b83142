// Rendering of streams' states.
#include "coordinator/ctl/status_view.h"

#include "coordinator/ctl/printable.h"
#include "coordinator/ctl/time_text.h"
#include "shardmgr/plan/json.h"

namespace warren::ctl {
namespace {

using nlohmann::json;

/// A member as text; nothing where it is missing or null.
std::string Text(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return {};
  return found->is_string() ? found->get<std::string>() : found->dump();
}

const json& List(const json& object, const char* key) {
  static const json kNone = json::array();
  const auto found = object.find(key);
  return found != object.end() && found->is_array() ? *found : kNone;
}

/// A time for people; nothing where it is unknown.
std::string Since(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return {};
  return TimeText(found->get_ref<const std::string&>());
}

std::string Count(const json& shard, const char* key) {
  const std::string count = Text(shard, key);
  return count.empty() ? "?" : count;
}

std::size_t InState(const json& stream, std::string_view state) {
  const json& shards = List(stream, "shards");
  return static_cast<std::size_t>(
      std::count_if(shards.begin(), shards.end(), [&](const json& shard) { return Text(shard, "state") == state; }));
}

std::string StreamLine(const json& stream) {
  std::string line = Text(stream, "exchange") + "  (virtual host " + Text(stream, "vhost") + ")  " +
                     Text(stream, "state") + ", " + std::to_string(InState(stream, "active")) + " of " +
                     std::to_string(List(stream, "shards").size()) + " shards active";
  if (const std::size_t draining = InState(stream, "draining"); draining > 0) {
    line += ", " + std::to_string(draining) + " draining";
  }
  return line + "\n";
}

std::string ConditionLine(const json& condition) {
  const std::string since = Since(condition, "since");
  return "  " + Text(condition, "type") + "  " + Text(condition, "reason") + (since.empty() ? "" : "  since " + since) +
         ": " + Text(condition, "message") + "\n";
}

std::string DrainLine(const json& shard) {
  const std::string since = Since(shard, "unbound_since");
  return "  drain  " + Text(shard, "queue") + ": " + Count(shard, "messages_ready") + " ready, " +
         Count(shard, "messages_unacked") + " unacknowledged, consumers " + Count(shard, "consumers") +
         (since.empty() ? "" : "; unbound since " + since) + "\n";
}

/// Names in it must not be able to write on the terminal what they like; newlines are ours.
std::string PrintableLines(const std::string& text) {
  std::string safe;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    safe += Printable(std::string_view(text).substr(start, end - start)) + "\n";
    start = end + 1;
  }
  return safe;
}

}  // namespace

void StatusView::Keep(const std::string& vhost, const std::string& exchange) {
  json kept = json::array();
  for (const json& stream : streams) {
    if (!exchange.empty() && Text(stream, "exchange") != exchange) continue;
    if (vhost.empty() || Text(stream, "vhost") == vhost) kept.push_back(stream);
  }
  streams = std::move(kept);
}

StatusView SinceBook::View(const Plan& plan) {
  StatusView view;
  const json seen = TimeJson(plan.observed_at_ms);
  if (seen.is_string()) view.observed_at = seen;
  decltype(since_) now;
  for (const StreamPlan& stream : plan.streams) {
    json object = ToJson(stream);
    for (json& condition : object["conditions"]) {
      const auto key =
          std::make_tuple(stream.vhost, stream.exchange, Text(condition, "type"), Text(condition, "reason"));
      const auto before = since_.find(key);
      const json since = before != since_.end() ? before->second : first_ ? json() : seen;
      condition["since"] = now[key] = since;
    }
    view.streams.push_back(std::move(object));
  }
  for (const Condition& problem : plan.problems) view.problems.push_back(ToJson(problem));
  since_ = std::move(now);
  first_ = false;
  return view;
}

std::string StatusText(const StatusView& view) {
  std::string text = "Seen " + (view.observed_at.empty() ? std::string("never") : TimeText(view.observed_at)) + " by " +
                     view.source + "\n";
  if (!view.leader.empty()) text += "Led by " + view.leader + "\n";
  if (!view.trouble.empty()) text += "This is old: " + view.trouble + "\n";
  for (const json& problem : view.problems) text += "problem: " + Text(problem, "message") + "\n";
  if (view.streams.empty()) text += "No streams: no policy matches an exchange.\n";
  for (const json& stream : view.streams) {
    text += StreamLine(stream);
    for (const json& condition : List(stream, "conditions")) text += ConditionLine(condition);
    for (const json& shard : List(stream, "shards")) {
      if (Text(shard, "state") == "draining") text += DrainLine(shard);
    }
  }
  return PrintableLines(text);
}

json StatusJson(const StatusView& view) {
  const auto or_null = [](bool known, json value) { return known ? std::move(value) : json(); };
  return {{"observed_at", or_null(!view.observed_at.empty(), view.observed_at)},
          {"source", view.source},
          {"leader", or_null(!view.leader.empty(), view.leader)},
          {"error", or_null(!view.trouble.empty(), view.trouble)},
          {"streams", view.streams},
          {"problems", view.problems}};
}

Table StatusTable(const StatusView& view) {
  Table table{{"vhost", "exchange", "state", "type", "reason", "since", "message", "observed_at"}, {}};
  const json seen = view.observed_at.empty() ? json() : json(TimeText(view.observed_at));
  for (const json& problem : view.problems) {
    table.rows.push_back({json(), json(), "problem", Text(problem, "type"), Text(problem, "reason"), json(),
                          Text(problem, "message"), seen});
  }
  for (const json& stream : view.streams) {
    for (const json& condition : List(stream, "conditions")) {
      const std::string since = Since(condition, "since");
      table.rows.push_back({Text(stream, "vhost"), Text(stream, "exchange"), Text(stream, "state"),
                            Text(condition, "type"), Text(condition, "reason"), since.empty() ? json() : json(since),
                            Text(condition, "message"), seen});
    }
  }
  return table;
}

}  // namespace warren::ctl
