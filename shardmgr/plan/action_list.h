// ActionList: the actions of one stream as they are gathered. Internal to plan/.
//
// Finds for each action a node to say it to; without one that answers the action is left out.
#pragma once

#include <string>
#include <utility>

#include "shardmgr/plan/stream_planner.h"

namespace warren {

class ActionList {
 public:
  explicit ActionList(StreamContext& context) : context_(context), actions_(context.plan.actions) {}

  /// Whether that binding is taken away already.
  bool Unbinds(const Binding& binding) const {
    return std::any_of(actions_.begin(), actions_.end(), [&](const Action& action) {
      const bool unbinds = action.kind == ActionKind::kUnbindShard || action.kind == ActionKind::kUnbindExchange;
      return unbinds && action.exchange == binding.source && action.queue == binding.destination &&
             action.routing_key == binding.routing_key && action.arguments == binding.arguments &&
             binding.to_queue == (action.kind == ActionKind::kUnbindShard);
    });
  }

  std::size_t size() const { return actions_.size(); }

  Action Make(ActionKind kind, const Candidate& candidate) const {
    Action action;
    action.kind = kind;
    action.vhost = context_.plan.vhost;
    action.exchange = context_.plan.exchange;
    action.queue = candidate.shard.queue;
    const bool by_home = kind == ActionKind::kDeleteShard && candidate.queue != nullptr;
    action.node = context_.cluster.Via(by_home ? candidate.queue->node : candidate.shard.node);
    return action;
  }

  void Add(Action action) {
    if (!action.node.empty()) actions_.push_back(std::move(action));
  }

  void Add(ActionKind kind, const Candidate& candidate, std::string key = {}, nlohmann::json arguments = {}) {
    Action action = Make(kind, candidate);
    action.routing_key = std::move(key);
    if (arguments.is_object()) action.arguments = std::move(arguments);
    Add(std::move(action));
  }

  /// About an exchange, and of whose `queue` it is, or the destination; said to `node` or another.
  void AddAt(std::string_view node, ActionKind kind, std::string exchange, std::string queue, std::string key = {}) {
    Action action;
    action.kind = kind;
    action.vhost = context_.plan.vhost;
    action.exchange = std::move(exchange);
    action.queue = std::move(queue);
    action.node = context_.cluster.Via(node);
    action.routing_key = std::move(key);
    Add(std::move(action));
  }

  void AddUnbind(std::string_view node, const Binding& binding) {
    const ActionKind kind = binding.to_queue ? ActionKind::kUnbindShard : ActionKind::kUnbindExchange;
    const std::size_t before = actions_.size();
    AddAt(node, kind, binding.source, binding.destination, binding.routing_key);
    if (actions_.size() > before) actions_.back().arguments = binding.arguments;
  }

  /// Unless it is there, or is declared already.
  void AddExchange(ActionKind kind, const char* name) {
    const auto same = [&](const Action& action) { return action.exchange == name && action.kind == kind; };
    if (context_.vhost.FindExchange(name) != nullptr || std::any_of(actions_.begin(), actions_.end(), same)) return;
    AddAt({}, kind, name, {});
  }

 private:
  StreamContext& context_;
  std::vector<Action>& actions_;
};

}  // namespace warren
