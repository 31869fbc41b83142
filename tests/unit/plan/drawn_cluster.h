// Topologies drawn by hand, and what applying a plan makes of them.
#pragma once

#include <string>
#include <vector>

#include "policies/catalog.h"
#include "policies/file.h"
#include "shardmgr/plan/naming.h"
#include "shardmgr/plan/plan.h"

namespace warren {

inline Topology DrawCluster(const std::vector<std::string>& nodes, const std::vector<std::string>& exchanges,
                            const std::string& type = "x-consistent-hash") {
  Topology topology;
  topology.vhosts = {"/"};
  for (const std::string& name : nodes) {
    topology.nodes.emplace_back();
    topology.nodes.back().name = name;
    topology.nodes.back().running = true;
  }
  for (const std::string& name : exchanges) {
    topology.exchanges.emplace_back();
    topology.exchanges.back().vhost = "/";
    topology.exchanges.back().name = name;
    topology.exchanges.back().type = type;
    topology.exchanges.back().durable = true;
  }
  return topology;
}

/// A catalog with one definition (JSON text) for exchanges named shard.*.
inline policies::Catalog CatalogOf(const std::string& definition) {
  return policies::Catalog::Build(
      policies::ParsePoliciesFile(
          R"({"stream-policy.%2F.p": {"pattern": "^shard\\.", "definition": {"stream-definition": "d"}},
              "stream-definition.d": )" +
              definition + "}",
          "test")
          .value());
}

inline void AddBinding(Topology& topology, const std::string& exchange, const std::string& queue,
                       const std::string& key) {
  topology.bindings.emplace_back();
  topology.bindings.back().vhost = "/";
  topology.bindings.back().source = exchange;
  topology.bindings.back().destination = queue;
  topology.bindings.back().routing_key = key;
}

inline void Apply(const Action& action, Topology& topology) {
  if (action.kind == ActionKind::kBindShard)
    return AddBinding(topology, action.exchange, action.queue, action.routing_key);
  if (action.kind == ActionKind::kDeclareDeadLetterExchange) {
    topology.exchanges.push_back(DrawCluster({}, {action.exchange}, "headers").exchanges.front());
    return;
  }
  topology.queues.emplace_back();
  Queue& queue = topology.queues.back();
  queue.vhost = action.vhost;
  queue.name = action.queue;
  queue.node = action.node;
  queue.type = action.declare_as.type == QueueType::kQuorum ? "quorum" : "classic";
  queue.state = "running";
  queue.durable = action.declare_as.durable;
  queue.arguments = action.declare_as.arguments;
}

inline void Apply(const Plan& plan, Topology& topology) {
  for (const StreamPlan& stream : plan.streams) {
    for (const Action& action : stream.actions) Apply(action, topology);
  }
}

inline const Condition* FindCondition(const StreamPlan& stream, const std::string& reason) {
  for (const Condition& condition : stream.conditions) {
    if (condition.reason == reason) return &condition;
  }
  return nullptr;
}

}  // namespace warren
