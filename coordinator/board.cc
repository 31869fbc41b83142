// See board.h.
#include "coordinator/board.h"

#include <algorithm>
#include <iterator>

#include "coordinator/clock.h"

namespace warren::coordinator {
namespace {

using program::Log;
using program::LogLevel;

/// Conditions that come and go with what the log and the journal have anyway: actions that are to be done are told
/// of when they are done, and a node once, not with each of its streams.
bool IsToldOtherwise(const Condition& condition) {
  constexpr std::string_view kReasons[] = {"ActionsPending", "NodeDown", "NodeUnavailable"};
  return condition.type == ConditionType::kReady ||
         std::find(std::begin(kReasons), std::end(kReasons), condition.reason) != std::end(kReasons);
}

NodeStatus StatusOf(const Node& node, const Findings& findings) {
  NodeStatus status{node, {}, {}, false};
  if (const auto address = findings.addresses.find(node.name); address != findings.addresses.end())
    status.address = address->second;
  if (const auto why = findings.unreachable.find(node.name); why != findings.unreachable.end())
    status.unreachable = why->second.ToString();
  const auto& drained = findings.drained_nodes;
  status.drained = std::find(drained.begin(), drained.end(), node.name) != drained.end();
  return status;
}

}  // namespace

std::shared_ptr<const Snapshot> Board::snapshot() const {
  const std::lock_guard lock(mutex_);
  return snapshot_;
}

void Board::Store(std::shared_ptr<const Snapshot> snapshot) {
  const std::lock_guard lock(mutex_);
  snapshot_.swap(snapshot);
}

void Board::Fail(const Error& error) {
  auto next = std::make_shared<Snapshot>(*snapshot());
  const bool news = !next->observation_error || next->observation_error->message != error.message;
  if (!next->observation_error) {
    next->failing_since_ms = NowMs();
    journal_.Add("observation-failed", error.ToString());
  }
  next->observation_error = error;
  Log(news ? LogLevel::kError : LogLevel::kDebug, "the cluster cannot be observed; what is known of it grows stale",
      error);
  Store(std::move(next));
}

void Board::Publish(Findings findings, const Failures& failures) {
  const auto before = snapshot();
  auto next = std::make_shared<Snapshot>();
  next->generation = before->generation + 1;
  next->observed_at_ms = findings.topology.observed_at_ms;
  next->cluster_name = findings.topology.cluster_name;
  next->rabbitmq_version = findings.topology.rabbitmq_version;
  for (const Node& node : findings.topology.nodes) next->nodes.push_back(StatusOf(node, findings));
  next->streams =
      book_.Update(findings.plan, failures, NowMs(), coverage_.Update(findings.plan, findings.counts_age_ms));
  next->problems = findings.plan.problems;
  for (const auto* errors : {&findings.sources.problems, &findings.problems}) {
    for (const Error& problem : *errors)
      next->problems.push_back({ConditionType::kDegraded, "InvalidFile", problem.ToString(), false});
  }
  next->notices = std::move(findings.sources.notices);
  next->parameters = std::move(findings.sources.parameters);
  if (before->observation_error) {
    Log(LogLevel::kInfo, "the cluster can be observed again");
    journal_.Add("observation-restored", "the cluster can be observed again");
  }
  TellOfNodes(*before, *next);
  Tell(FactsOf(*next));
  Store(std::move(next));
}

Board::Facts Board::FactsOf(const Snapshot& snapshot) {
  Facts facts;
  for (const Condition& problem : snapshot.problems) {
    facts.emplace("p" + problem.message,
                  Fact{LogLevel::kError, "problem", "problem-over", {}, {}, problem.message, problem.reason});
  }
  for (const std::string& notice : snapshot.notices)
    facts.emplace("n" + notice, Fact{LogLevel::kInfo, {}, {}, {}, {}, notice, "Overridden"});
  for (const StreamStatus& stream : snapshot.streams) {
    for (const TimedCondition& timed : stream.conditions) {
      const Condition& condition = timed.condition;
      if (IsToldOtherwise(condition)) continue;
      const bool degraded = condition.type == ConditionType::kDegraded;
      facts.emplace("c" + stream.plan.vhost + '\0' + stream.plan.exchange + '\0' + condition.reason,
                    Fact{degraded ? LogLevel::kWarning : LogLevel::kInfo, "condition", "condition-over",
                         stream.plan.vhost, stream.plan.exchange, condition.message, condition.reason});
    }
  }
  return facts;
}

void Board::Tell(Facts facts) {
  for (const auto& [key, fact] : facts) {
    const auto before = told_.find(key);
    const bool begins = before == told_.end();
    // Progress changes its words all the time; what is wrong is said again when it is another thing.
    const bool says_again = !begins && fact.level != LogLevel::kInfo && before->second.message != fact.message;
    if (begins || says_again) {
      if (fact.exchange.empty()) {
        Log(fact.level, fact.message, {{"reason", fact.reason}});
      } else {
        Log(fact.level, fact.message, {{"reason", fact.reason}, {"vhost", fact.vhost}, {"exchange", fact.exchange}});
      }
    }
    if (begins && !fact.begins.empty())
      journal_.Add({NowMs(), fact.begins, fact.vhost, fact.exchange, fact.reason + ": " + fact.message});
  }
  for (const auto& [key, fact] : told_) {
    if (!facts.contains(key) && !fact.ends.empty())
      journal_.Add({NowMs(), fact.ends, fact.vhost, fact.exchange, fact.reason + " holds no longer"});
  }
  told_ = std::move(facts);
}

void Board::TellOfNodes(const Snapshot& before, const Snapshot& now) {
  std::map<std::string, const NodeStatus*> known;
  for (const NodeStatus& node : before.nodes) known.emplace(node.node.name, &node);
  const auto say = [&](LogLevel level, const char* kind, const std::string& message) {
    Log(level, message);
    journal_.Add(kind, message);
  };
  NodeStatus as_it_should_be;
  as_it_should_be.node.running = true;
  for (const NodeStatus& node : now.nodes) {
    const std::string name = "node " + node.node.name;
    const auto found = known.find(node.node.name);
    if (found == known.end() && before.generation > 0)
      say(LogLevel::kInfo, "node-joined", name + " joined the cluster");
    const NodeStatus old = found == known.end() ? as_it_should_be : *found->second;
    if (found != known.end()) known.erase(found);
    if (old.node.running && !node.node.running) say(LogLevel::kWarning, "node-down", name + " does not run any more");
    if (!old.node.running && node.node.running) say(LogLevel::kInfo, "node-up", name + " runs again");
    if (old.unreachable.empty() && !node.unreachable.empty())
      say(LogLevel::kWarning, "node-unreachable",
          name + " runs but cannot be reached; nothing is placed there: " + node.unreachable);
    if (!old.unreachable.empty() && node.unreachable.empty() && node.node.running)
      say(LogLevel::kInfo, "node-reachable", name + " can be reached again");
    if (!old.drained && node.drained) say(LogLevel::kInfo, "node-drained", name + " is to be empty of shards");
    if (old.drained && !node.drained) say(LogLevel::kInfo, "node-undrained", name + " takes shards again");
  }
  for (const auto& [name, node] : known) say(LogLevel::kInfo, "node-left", "node " + name + " left the cluster");
}

}  // namespace warren::coordinator
