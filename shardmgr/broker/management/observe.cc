// Client: everything that reads. One observation is nine GETs, however many streams there are.

#include "policies/names.h"
#include "shardmgr/broker/clock.h"
#include "shardmgr/broker/management/client_impl.h"
#include "shardmgr/broker/management/field_reader.h"
#include "shardmgr/broker/management/parse.h"
#include "shardmgr/broker/management/paths.h"
#include "shardmgr/plan/plan.h"

namespace warren::management {
namespace {

constexpr std::string_view kNodeColumns = "name,running,mem_alarm,disk_free_alarm,maintenance,being_drained";
constexpr std::string_view kExchangeColumns = "vhost,name,type,durable,auto_delete,internal,arguments,policy";
constexpr std::string_view kQueuePlaceColumns =
    "vhost,name,node,leader,state,exclusive,messages_ready,messages_unacknowledged,consumers";
constexpr std::string_view kPolicyColumns = "vhost,name,definition";

/// Messages as the queues themselves count them. Those of the other listing are statistics, up to ten seconds old.
constexpr std::string_view kTotalsQuery =
    "disable_stats=true&enable_queue_totals=true&columns=vhost,name,messages_ready,messages_unacknowledged";

/// Body of POST …/get: one message, put back, hardly any of its content.
constexpr std::string_view kPeek = R"({"count":1,"ackmode":"reject_requeue_true","encoding":"auto","truncate":1})";

std::string InVhost(std::string_view what, std::string_view name, std::string_view vhost) {
  return std::string(what) + " '" + std::string(name) + "' of virtual host '" + std::string(vhost) + "'";
}

}  // namespace

Result<Topology> Client::Observe(ParameterAccess access) const {
  Topology seen;
  seen.observed_at_ms = UnixNowMs();
  auto overview =
      impl_->Read({"overview"}, "cluster_name,rabbitmq_version,listeners", "reading the overview", ParseOverview);
  if (!overview) return tl::unexpected(overview.error());
  seen.cluster_name = overview->cluster_name;
  seen.rabbitmq_version = overview->rabbitmq_version;

  auto nodes = impl_->Read({"nodes"}, kNodeColumns, "reading nodes", ParseNodes);
  if (!nodes) return tl::unexpected(nodes.error());
  seen.nodes = std::move(*nodes);
  AssignListeners(*overview, seen.nodes);

  auto vhosts = ListVhosts();
  if (!vhosts) return tl::unexpected(vhosts.error());
  seen.vhosts = std::move(*vhosts);

  auto exchanges = impl_->Read({"exchanges"}, kExchangeColumns, "reading exchanges", ParseExchanges);
  if (!exchanges) return tl::unexpected(exchanges.error());
  seen.exchanges = std::move(*exchanges);

  auto queues = impl_->Read({"queues"}, kQueueColumns, "reading queues", ParseQueues);
  if (!queues) return tl::unexpected(queues.error());
  seen.queues = std::move(*queues);
  auto totals = impl_->caller.Call({"GET", ApiPath({"queues"}), std::string(kTotalsQuery), {}, "reading queue totals"});
  if (!totals) return tl::unexpected(totals.error());
  auto counted = ParseQueues(totals->document);
  if (!counted) return tl::unexpected(counted.error().Within("reading queue totals"));
  TakeCounts(*counted, seen.queues);

  auto bindings = impl_->Read({"bindings"}, kBindingColumns, "reading bindings", ParseBindings);
  if (!bindings) return tl::unexpected(bindings.error());
  seen.bindings = std::move(*bindings);

  auto policies = impl_->Read({"policies"}, kPolicyColumns, "reading policies", ParseBrokerPolicies);
  if (policies) {
    seen.policies = std::move(*policies);
  } else if (policies.error().code != ErrorCode::kForbidden) {
    return tl::unexpected(policies.error());
  }

  auto parameters = ListGlobalParameters();
  if (parameters) {
    seen.parameters = std::move(*parameters);
  } else if (access == ParameterAccess::kRequired || parameters.error().code != ErrorCode::kForbidden) {
    return tl::unexpected(parameters.error());
  }
  seen.took_ms = UnixNowMs() - seen.observed_at_ms;
  return seen;
}

Result<Topology> Client::ObserveQueues() const {
  Topology seen;
  seen.observed_at_ms = UnixNowMs();
  auto queues = impl_->Read({"queues"}, kQueuePlaceColumns, "reading queues", ParseQueues);
  if (!queues) return tl::unexpected(queues.error());
  seen.queues = std::move(*queues);
  auto bindings = impl_->Read({"bindings"}, kBindingColumns, "reading bindings", ParseBindings);
  if (!bindings) return tl::unexpected(bindings.error());
  seen.bindings = std::move(*bindings);
  seen.took_ms = UnixNowMs() - seen.observed_at_ms;
  return seen;
}

Result<User> Client::WhoAmI() const { return impl_->Read({"whoami"}, {}, "reading the user's tags", ParseUser); }

Result<void> Client::Health() const {
  auto answer = impl_->caller.Get({"health", "checks", "local-alarms"}, {}, "checking the node's health");
  if (!answer) return tl::unexpected(answer.error());
  return {};
}

Result<std::vector<std::string>> Client::ListVhosts() const {
  return impl_->Read({"vhosts"}, "name", "reading virtual hosts", ParseVhosts);
}

Result<std::vector<Parameter>> Client::ListGlobalParameters() const {
  return impl_->Read({"global-parameters"}, {}, "reading global parameters", ParseGlobalParameters);
}

Result<Queue> Client::GetQueue(std::string_view vhost, std::string_view name) const {
  const std::string what = InVhost("reading queue", name, vhost);
  auto queue = impl_->Read({"queues", vhost, name}, kQueueColumns, what,
                           [](const nlohmann::json& document) { return ParseQueue(document, "the queue"); });
  if (!queue && queue.error().code == ErrorCode::kNotFound) queue.error().message = "there is no such queue";
  return queue;
}

Result<bool> Client::HasReadyMessage(std::string_view vhost, std::string_view name) const {
  const std::string what = InVhost("looking into queue", name, vhost);
  auto reply = impl_->caller.Call({"POST", ApiPath({"queues", vhost, name, "get"}), {}, std::string(kPeek), what});
  if (!reply) return tl::unexpected(reply.error());
  if (!reply->document.is_array()) return Fail(ErrorCode::kProtocol, "the answer should be a list of messages", what);
  return !reply->document.empty();
}

Result<std::vector<Binding>> Client::ListBindingsFromExchange(std::string_view vhost, std::string_view exchange) const {
  return impl_->Read({"exchanges", vhost, exchange, "bindings", "source"}, kBindingColumns,
                     InVhost("reading bindings of exchange", exchange, vhost), ParseBindings);
}

Result<std::vector<std::string>> Client::ListQueueBindingsFromExchange(std::string_view vhost,
                                                                       std::string_view exchange) const {
  auto bindings = ListBindingsFromExchange(vhost, exchange);
  if (!bindings) return tl::unexpected(bindings.error());
  std::set<std::string> queues;
  for (const Binding& binding : *bindings) {
    if (binding.to_queue) queues.insert(binding.destination);
  }
  return std::vector<std::string>(queues.begin(), queues.end());
}

Result<std::vector<std::string>> Client::ListServingShards(std::string_view vhost, std::string_view exchange) const {
  auto bindings = ListBindingsFromExchange(vhost, exchange);
  if (!bindings) return tl::unexpected(bindings.error());
  std::set<std::string> serving, places;
  for (Binding& binding : *bindings) {
    (binding.to_queue ? serving : places).insert(std::move(binding.destination));
  }
  if (!places.empty()) {
    auto queues = ListQueuesNamed(vhost, ": " + std::string(exchange) + " - ");
    if (!queues) return tl::unexpected(queues.error());
    auto draining = ListQueueBindingsFromExchange(vhost, kDrainExchange);
    if (!draining && draining.error().code != ErrorCode::kNotFound) return tl::unexpected(draining.error());
    std::set<std::string> marked;
    if (draining) marked.insert(draining->begin(), draining->end());
    for (const Queue& queue : *queues) {
      const bool down = queue.state == "down" || queue.state == "stopped";
      if (places.contains(queue.name) && !down && !marked.contains(queue.name)) serving.insert(queue.name);
    }
  }
  return std::vector<std::string>(serving.begin(), serving.end());
}

Result<std::vector<Queue>> Client::ListQueuesNamed(std::string_view vhost, std::string_view part) const {
  const std::string what = "reading queues of virtual host '" + std::string(vhost) + "'";
  const std::string query = "columns=vhost,name,state,messages_ready,messages_unacknowledged&page_size=500&name=" +
                            policies::PercentEncode(part) + "&page=";
  std::vector<Queue> all;
  for (std::uint64_t page = 1, pages = 1; page <= pages; ++page) {
    auto reply = impl_->caller.Call({"GET", ApiPath({"queues", vhost}), query + std::to_string(page), {}, what});
    if (!reply) return tl::unexpected(reply.error());
    FieldReader reader(reply->document, "the answer");
    pages = reader.OptionalCount("page_count").value_or(0);
    const nlohmann::json* items = reader.Find("items");
    if (items == nullptr) return Fail(ErrorCode::kProtocol, "the answer has no items", what);
    auto queues = ParseQueues(*items);
    if (!queues) return tl::unexpected(queues.error().Within(what));
    std::move(queues->begin(), queues->end(), std::back_inserter(all));
  }
  return all;
}

Result<std::vector<Consumer>> Client::ListConsumers(std::string_view vhost) const {
  return impl_->Read({"consumers", vhost}, {}, "reading consumers of virtual host '" + std::string(vhost) + "'",
                     ParseConsumers);
}

}  // namespace warren::management
