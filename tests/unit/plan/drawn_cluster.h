// Topologies drawn by hand, and what applying a plan makes of them.
#pragma once

#include <algorithm>
#include <set>
#include <stdexcept>
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
  topology.observed_at_ms = 1'000'000;
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

/// A catalog with one definition (JSON text) for exchanges named shard.*, and nodes that are drained.
inline policies::Catalog CatalogOf(const std::string& definition, const std::vector<std::string>& drained = {}) {
  auto parameters = policies::ParsePoliciesFile(
                        R"({"stream-policy.%2F.p": {"pattern": "^shard\\.", "definition": {"stream-definition": "d"}},
              "stream-definition.d": )" +
                            definition + "}",
                        "test")
                        .value();
  for (const std::string& node : drained) parameters.push_back({"stream-node." + node, {{"drain", true}}, "test"});
  return policies::Catalog::Build(parameters);
}

inline void AddBinding(Topology& topology, const std::string& exchange, const std::string& queue,
                       const std::string& key, bool to_queue = true) {
  const auto same = [&](const Binding& b) {
    return b.source == exchange && b.destination == queue && b.routing_key == key && b.to_queue == to_queue;
  };
  if (std::any_of(topology.bindings.begin(), topology.bindings.end(), same)) return;
  topology.bindings.emplace_back();
  topology.bindings.back().to_queue = to_queue;
  topology.bindings.back().vhost = "/";
  topology.bindings.back().source = exchange;
  topology.bindings.back().destination = queue;
  topology.bindings.back().routing_key = key;
}

inline Queue* FindQueue(Topology& topology, const std::string& name) {
  for (Queue& queue : topology.queues) {
    if (queue.name == name) return &queue;
  }
  return nullptr;
}

inline void RemoveBinding(Topology& topology, const std::string& exchange, const Action& action, bool to_queue = true) {
  std::erase_if(topology.bindings, [&](const Binding& binding) {
    return binding.source == exchange && binding.destination == action.queue && binding.to_queue == to_queue &&
           binding.routing_key == action.routing_key && binding.arguments == action.arguments;
  });
}

inline void AddQueue(const Action& action, Topology& topology) {
  topology.queues.emplace_back();
  Queue& queue = topology.queues.back();
  queue.vhost = action.vhost;
  queue.name = action.queue;
  queue.node = action.node;
  queue.type = action.declare_as.type == QueueType::kQuorum ? "quorum" : "classic";
  queue.state = "running";
  queue.durable = action.declare_as.durable;
  queue.arguments = action.declare_as.arguments;
  queue.ready = queue.unacked = queue.consumers = 0;
}

/// The broker refuses while it is the source of a binding; those to it go with it.
inline void DeleteExchange(Topology& topology, const std::string& name) {
  const auto from = [&](const Binding& binding) { return binding.source == name; };
  if (std::any_of(topology.bindings.begin(), topology.bindings.end(), from))
    throw std::logic_error(name + " is in use");
  std::erase_if(topology.exchanges, [&](const Exchange& exchange) { return exchange.name == name; });
  std::erase_if(topology.bindings, [&](const Binding& b) { return !b.to_queue && b.destination == name; });
}

/// What the broker makes of one action.
inline void Apply(const Action& action, Topology& topology) {
  switch (action.kind) {
    case ActionKind::kBindShard: return AddBinding(topology, action.exchange, action.queue, action.routing_key);
    case ActionKind::kMarkDraining: return AddBinding(topology, kDrainExchange, action.queue, action.routing_key);
    case ActionKind::kUnbindShard: return RemoveBinding(topology, action.exchange, action);
    case ActionKind::kUnmarkDraining: return RemoveBinding(topology, kDrainExchange, action);
    case ActionKind::kBindExchange:
      return AddBinding(topology, action.exchange, action.queue, action.routing_key, false);
    case ActionKind::kUnbindExchange: return RemoveBinding(topology, action.exchange, action, false);
    case ActionKind::kDeclareShardExchange:
      topology.exchanges.push_back(ShardExchange(action.vhost, action.exchange));
      return;
    case ActionKind::kDeleteShardExchange: return DeleteExchange(topology, action.exchange);
    case ActionKind::kDeclareShard: return AddQueue(action, topology);
    case ActionKind::kDeclareDeadLetterExchange:
      topology.exchanges.push_back(DrawCluster({}, {action.exchange}, "headers").exchanges.front());
      return;
    case ActionKind::kDeclareDrainExchange:
      topology.exchanges.push_back(DrawCluster({}, {action.exchange}, "direct").exchanges.front());
      return;
    case ActionKind::kDeleteShard:
      std::erase_if(topology.queues, [&](const Queue& queue) { return queue.name == action.queue; });
      std::erase_if(topology.bindings,
                    [&](const Binding& binding) { return binding.to_queue && binding.destination == action.queue; });
      return;
  }
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

/// A cluster that is looked at again and again, six seconds apart, and to which plans are applied.
struct WatchedCluster {
  Topology topology;
  History history;
  PlanLimits limits;

  Plan Look(const policies::Catalog& catalog, std::int64_t pause_ms = 6'000) {
    topology.observed_at_ms += pause_ms;
    history.Observe(topology);
    return MakePlan(catalog, topology, limits, history);
  }

  /// Rounds until a plan is empty and nothing waits for a second look; fails to end: `most` rounds.
  int Converge(const policies::Catalog& catalog, int most = 200) {
    for (int round = 0; round < most; ++round) {
      const Plan plan = Look(catalog);
      if (plan.empty() && !plan.next_look_ms()) return round;
      Carry(plan);
    }
    return most;
  }

  /// Applies, and notes what was bound anew, as the coordinator does.
  void Carry(const Plan& plan) {
    Apply(plan, topology);
    for (const StreamPlan& stream : plan.streams) {
      std::set<std::string> unbound;
      for (const Action& action : stream.actions) {
        const bool binds = action.kind == ActionKind::kBindShard || action.kind == ActionKind::kBindExchange;
        const bool unbinds = action.kind == ActionKind::kUnbindShard || action.kind == ActionKind::kUnbindExchange;
        if (unbinds) unbound.insert(action.queue);
        const bool again = binds && unbound.contains(action.queue);
        if (again) history.NoteRebound(action.vhost, action.queue, topology.observed_at_ms);
      }
    }
  }
};

}  // namespace warren
