// Parsers for what describes the cluster: overview, nodes, virtual hosts, parameters, users.
#include "policies/names.h"
#include "shardmgr/broker/management/parse.h"
#include "shardmgr/broker/management/parse_list.h"

namespace warren::management {
namespace {

constexpr std::uint64_t kMaxPort = 65'535;

Overview::NodeListener ReadListener(FieldReader& reader) {
  Overview::NodeListener entry;
  entry.node = reader.NeedString("node");
  entry.listener.protocol = reader.NeedString("protocol");
  entry.listener.address = reader.StringOr("ip_address");
  entry.listener.port = static_cast<std::uint16_t>(reader.NeedCount("port", kMaxPort));
  return entry;
}

/// Brokers that know maintenance mode say "maintenance": "regular" | "draining" | …, or "being_drained": bool.
std::optional<bool> ReadMaintenance(const FieldReader& reader) {
  if (const auto drained = reader.OptionalBool("being_drained")) return drained;
  if (const auto flag = reader.OptionalBool("maintenance")) return flag;
  const std::string state = reader.StringOr("maintenance");
  if (state.empty()) return std::nullopt;
  return state != "regular" && state != "false";
}

Node ReadNode(FieldReader& reader) {
  Node node;
  node.name = reader.NeedString("name");
  node.running = reader.NeedBool("running");
  node.memory_alarm = reader.BoolOr("mem_alarm", false);
  node.disk_alarm = reader.BoolOr("disk_free_alarm", false);
  node.maintenance = ReadMaintenance(reader);
  return node;
}

std::vector<std::string> ReadTags(const FieldReader& reader) {
  std::vector<std::string> tags;
  const nlohmann::json* value = reader.Find("tags");
  if (value == nullptr) return tags;
  if (value->is_array()) {
    for (const auto& tag : *value) {
      if (tag.is_string()) tags.push_back(tag.get<std::string>());
    }
  } else if (value->is_string()) {  // Before 3.9: "administrator,monitoring".
    std::string text = value->get<std::string>();
    for (std::size_t from = 0; from < text.size();) {
      const std::size_t to = std::min(text.find(',', from), text.size());
      if (to > from) tags.push_back(text.substr(from, to - from));
      from = to + 1;
    }
  }
  return tags;
}

}  // namespace

void RestoreEmptyObjects(nlohmann::json& value) {
  if (value.is_array() && value.empty()) value = nlohmann::json::object();
  for (auto& part : value) {
    if (part.is_structured()) RestoreEmptyObjects(part);
  }
}

Result<Overview> ParseOverview(const nlohmann::json& document) {
  FieldReader reader(document, "overview");
  Overview overview;
  overview.cluster_name = reader.StringOr("cluster_name");
  overview.rabbitmq_version = reader.NeedString("rabbitmq_version");
  if (reader.error()) return tl::unexpected(*reader.error());
  const nlohmann::json* listeners = reader.Find("listeners");
  if (listeners == nullptr) return overview;
  auto all = ParseList<Overview::NodeListener>(*listeners, "listeners", ReadListener);
  if (!all) return tl::unexpected(all.error());
  for (auto& entry : *all) {
    if (entry.listener.protocol == "amqp" || entry.listener.protocol == "amqp/ssl") {
      overview.listeners.push_back(std::move(entry));
    }
  }
  return overview;
}

Result<std::vector<Node>> ParseNodes(const nlohmann::json& document) {
  return ParseList<Node>(document, "nodes", ReadNode);
}

Result<std::vector<std::string>> ParseVhosts(const nlohmann::json& document) {
  return ParseList<std::string>(document, "vhosts", [](FieldReader& reader) { return reader.NeedString("name"); });
}

Result<std::vector<Parameter>> ParseGlobalParameters(const nlohmann::json& document) {
  auto all = ParseList<Parameter>(document, "global-parameters", [](FieldReader& reader) {
    Parameter parameter;
    parameter.name = reader.NeedString("name");
    if (const nlohmann::json* value = reader.Find("value")) parameter.value = *value;
    RestoreEmptyObjects(parameter.value);
    parameter.source = "global parameter";
    return parameter;
  });
  if (!all) return all;
  std::erase_if(*all, [](const Parameter& parameter) { return !policies::IsOurParameter(parameter.name); });
  std::sort(all->begin(), all->end(), [](const Parameter& a, const Parameter& b) { return a.name < b.name; });
  return all;
}

Result<User> ParseUser(const nlohmann::json& document) {
  FieldReader reader(document, "whoami");
  User user{reader.NeedString("name"), ReadTags(reader)};
  if (reader.error()) return tl::unexpected(*reader.error());
  return user;
}

void AssignListeners(const Overview& overview, std::vector<Node>& nodes) {
  for (Node& node : nodes) {
    for (const auto& entry : overview.listeners) {
      if (entry.node == node.name) node.listeners.push_back(entry.listener);
    }
  }
}

}  // namespace warren::management
