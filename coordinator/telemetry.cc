// See telemetry.h.
#include "coordinator/telemetry.h"

#include <prometheus/counter.h>
#include <prometheus/histogram.h>

#include "coordinator/clock.h"

namespace warren::coordinator {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<prometheus::ClientMetric::Label>;

constexpr int kStaleIntervals = 3;
constexpr ShardState kShardStates[] = {
    ShardState::kMissing,  ShardState::kDeclared, ShardState::kActive,    ShardState::kOutdated, ShardState::kDraining,
    ShardState::kRetained, ShardState::kDown,     ShardState::kMisplaced, ShardState::kOrphaned, ShardState::kConflict};
constexpr ActionKind kActionKinds[] = {ActionKind::kDeclareDeadLetterExchange,
                                       ActionKind::kDeclareDrainExchange,
                                       ActionKind::kDeclareShardExchange,
                                       ActionKind::kDeclareShard,
                                       ActionKind::kMarkDraining,
                                       ActionKind::kUnbindExchange,
                                       ActionKind::kUnbindShard,
                                       ActionKind::kBindShard,
                                       ActionKind::kBindExchange,
                                       ActionKind::kUnmarkDraining,
                                       ActionKind::kDeleteShard,
                                       ActionKind::kDeleteShardExchange};

MetricFamily Family(const char* name, const char* help) { return {name, help, MetricType::Gauge, {}}; }

void Add(MetricFamily& family, Labels labels, double value) {
  prometheus::ClientMetric metric;
  metric.label = std::move(labels);
  metric.gauge.value = value;
  family.metric.push_back(std::move(metric));
}

std::vector<MetricFamily> NodeFamilies(const Snapshot& snapshot) {
  auto up = Family("warren_node_up", "1 when the node runs, 0 when it does not.");
  auto reachable = Family("warren_node_reachable", "1 when the node runs and its AMQP port answers.");
  auto drained = Family("warren_node_drained", "1 when the node is to be empty of shards.");
  for (const NodeStatus& node : snapshot.nodes) {
    Add(up, {{"node", node.node.name}}, node.node.running);
    Add(reachable, {{"node", node.node.name}}, node.node.running && node.unreachable.empty());
    Add(drained, {{"node", node.node.name}}, node.drained);
  }
  return {up, reachable, drained};
}

std::vector<MetricFamily> StreamFamilies(const Snapshot& snapshot) {
  auto streams = Family("warren_streams", "Streams by state.");
  auto shards = Family("warren_shards", "Shards of a stream by state.");
  std::map<std::string_view, int> by_state{
      {"ready", 0}, {"progressing", 0}, {"degraded", 0}, {"not-ready", 0}, {"orphaned", 0}};
  auto uncovered = Family("warren_shards_uncovered", "Shards of a stream that nobody consumes.");
  for (const StreamStatus& stream : snapshot.streams) {
    ++by_state[stream.state()];
    Add(uncovered, {{"vhost", stream.plan.vhost}, {"exchange", stream.plan.exchange}},
        static_cast<double>(stream.uncovered.size()));
    std::map<ShardState, int> counts;
    for (const Shard& shard : stream.plan.shards) ++counts[shard.state];
    for (const ShardState state : kShardStates) {
      Add(shards,
          {{"vhost", stream.plan.vhost}, {"exchange", stream.plan.exchange}, {"state", std::string(Name(state))}},
          counts[state]);
    }
  }
  for (const auto& [state, count] : by_state) Add(streams, {{"state", std::string(state)}}, count);
  return {streams, shards, uncovered};
}

std::vector<MetricFamily> ShardFamilies(const Snapshot& snapshot) {
  auto ready = Family("warren_shard_messages_ready", "Messages ready in the shard.");
  auto unacked =
      Family("warren_shard_messages_unacked", "Messages of the shard that were delivered and not acknowledged.");
  auto consumers = Family("warren_shard_consumers", "Consumers of the shard.");
  auto published = Family("warren_shard_publish_messages_per_second", "Messages entering the shard, per second.");
  auto delivered = Family("warren_shard_deliver_messages_per_second", "Messages delivered from the shard, per second.");
  for (const StreamStatus& stream : snapshot.streams) {
    for (const Shard& shard : stream.plan.shards) {
      const Labels labels{{"vhost", stream.plan.vhost},
                          {"exchange", stream.plan.exchange},
                          {"node", shard.node},
                          {"shard", std::to_string(shard.index)}};
      const auto add = [&](MetricFamily& family, const auto& value) {
        if (value) Add(family, labels, static_cast<double>(*value));
      };
      add(ready, shard.ready);
      add(unacked, shard.unacked);
      add(consumers, shard.consumers);
      add(published, shard.publish_per_second);
      add(delivered, shard.deliver_per_second);
    }
  }
  return {ready, unacked, consumers, published, delivered};
}

/// Of every stream, so that one whose consumers are all gone shows.
MetricFamily ConsumersFamily(const Snapshot& snapshot, const AssignmentView& assignments) {
  auto consumers = Family("warren_consumers", "Consumers of a stream that take part in assignments.");
  for (const StreamStatus& stream : snapshot.streams) {
    const auto found = assignments.per_stream.find({stream.plan.vhost, stream.plan.exchange});
    Add(consumers, {{"vhost", stream.plan.vhost}, {"exchange", stream.plan.exchange}},
        found == assignments.per_stream.end() ? 0 : static_cast<double>(found->second));
  }
  return consumers;
}

/// Messages of shards that drain, and since when the oldest of them does, by stream.
std::vector<MetricFamily> DrainFamilies(const Snapshot& snapshot) {
  auto messages = Family("warren_drain_messages", "Messages left, ready and unacknowledged, in shards that drain.");
  auto since = Family("warren_drain_oldest_timestamp_seconds",
                      "Unix time since when the shard of the stream that drains longest is unbound.");
  for (const StreamStatus& stream : snapshot.streams) {
    const Labels labels{{"vhost", stream.plan.vhost}, {"exchange", stream.plan.exchange}};
    std::uint64_t left = 0;
    std::int64_t oldest_ms = 0;
    bool drains = false;
    for (const Shard& shard : stream.plan.shards) {
      if (shard.state != ShardState::kDraining) continue;
      drains = true;
      left += shard.ready.value_or(0) + shard.unacked.value_or(0);
      const std::int64_t since_ms = shard.unbound_since_ms;
      if (since_ms > 0 && (oldest_ms == 0 || since_ms < oldest_ms)) oldest_ms = since_ms;
    }
    if (drains) Add(messages, labels, static_cast<double>(left));
    if (oldest_ms > 0) Add(since, labels, static_cast<double>(oldest_ms) / 1000);
  }
  return {messages, since};
}

class SnapshotCollector : public prometheus::Collectable {
 public:
  explicit SnapshotCollector(const Reconciler& reconciler) : reconciler_(reconciler) {}

  std::vector<MetricFamily> Collect() const override {
    const auto snapshot = reconciler_.snapshot();
    auto families = CollectSnapshot(*snapshot, NowMs());
    families.push_back(ConsumersFamily(*snapshot, *reconciler_.assignments()));
    auto connections = Family("warren_amqp_connections", "Open AMQP connections to nodes.");
    Add(connections, {}, static_cast<double>(reconciler_.amqp_connections()));
    families.push_back(std::move(connections));
    auto leader = Family("warren_coordinator_leader",
                         "1 while this coordinator acts: it leads, or may not take part in the choice of a leader.");
    Add(leader, {}, reconciler_.lease().acts());
    families.push_back(std::move(leader));
    const EventStatus events = reconciler_.events();
    auto connected = Family("warren_events_connected", "1 while events of the cluster are heard, 0 while it polls.");
    Add(connected, {}, events.connected);
    families.push_back(std::move(connected));
    MetricFamily received{
        "warren_events_received_total", "Events of the cluster that were heard.", MetricType::Counter, {}};
    prometheus::ClientMetric count;
    count.counter.value = static_cast<double>(events.received);
    received.metric.push_back(count);
    families.push_back(std::move(received));
    return families;
  }

 private:
  const Reconciler& reconciler_;
};

}  // namespace

std::vector<MetricFamily> CollectSnapshot(const Snapshot& snapshot, std::int64_t now_ms) {
  auto age =
      Family("warren_observation_age_seconds", "Time since the last successful observation; absent before the first.");
  if (snapshot.observed_at_ms > 0) Add(age, {}, static_cast<double>(now_ms - snapshot.observed_at_ms) / 1000);
  auto failing = Family("warren_observation_failing", "1 when the last observation failed.");
  Add(failing, {}, snapshot.observation_error.has_value());
  auto actions = Family("warren_plan_actions", "Actions that the last plan holds.");
  Add(actions, {}, static_cast<double>(snapshot.action_count()));
  auto problems = Family("warren_policy_problems", "Definitions, policies, globals and files that are not valid.");
  Add(problems, {}, static_cast<double>(snapshot.problems.size()));

  std::vector<MetricFamily> all{age, failing, actions, problems};
  for (auto* make : {NodeFamilies, StreamFamilies, ShardFamilies, DrainFamilies}) {
    for (MetricFamily& family : make(snapshot)) all.push_back(std::move(family));
  }
  return all;
}

void RegisterTelemetry(const std::shared_ptr<program::Metrics>& metrics, Reconciler& reconciler) {
  auto& registry = metrics->registry();
  auto& duration = prometheus::BuildHistogram()
                       .Name("warren_reconcile_duration_seconds")
                       .Help("Time of a run: observing, planning and applying until nothing was left to do.")
                       .Register(registry)
                       .Add({}, program::LatencyBuckets());
  auto& runs = prometheus::BuildCounter().Name("warren_reconciles_total").Help("Runs by outcome.").Register(registry);
  for (const auto outcome :
       {RunOutcome::kConverged, RunOutcome::kPartial, RunOutcome::kUnobserved, RunOutcome::kFollowed}) {
    runs.Add({{"outcome", std::string(Name(outcome))}});
  }
  auto& actions = prometheus::BuildCounter()
                      .Name("warren_actions_total")
                      .Help("Actions that were tried, by kind and outcome.")
                      .Register(registry);
  for (const auto kind : kActionKinds) {
    for (const char* outcome : {"done", "failed"})
      actions.Add({{"kind", std::string(Name(kind))}, {"outcome", outcome}});
  }
  reconciler.SetListeners(
      [metrics, &duration, &runs](const RunReport& report) {
        duration.Observe(report.took.count());
        runs.Add({{"outcome", std::string(Name(report.outcome))}}).Increment();
      },
      [metrics, &actions](const StreamOutcome& outcome) {
        for (const ActionOutcome& action : outcome.actions) {
          if (!action.attempted) continue;
          actions.Add({{"kind", std::string(Name(action.kind))}, {"outcome", action.result ? "done" : "failed"}})
              .Increment();
        }
      });
  metrics->Register(std::make_shared<SnapshotCollector>(reconciler));
}

program::Readiness CoordinatorReadiness(const Snapshot& snapshot, const EventStatus& events, std::int64_t now_ms,
                                        std::chrono::milliseconds interval, std::string_view role) {
  const std::string error = snapshot.observation_error ? snapshot.observation_error->ToString() : std::string();
  if (snapshot.observed_at_ms == 0) {
    return {false, error.empty() ? "the cluster was not observed yet" : "the cluster was never observed: " + error};
  }
  const std::int64_t age_ms = now_ms - snapshot.observed_at_ms;
  if (error.empty() || age_ms <= kStaleIntervals * interval.count()) {
    const std::string news =
        events.connected ? "hears events of the cluster" : "polling, without events: " + events.reason;
    return {true, role.empty() ? news : std::string(role) + "; " + news};
  }
  return {false, "the last observation is " + std::to_string(age_ms / 1000) + " s old: " + error};
}

}  // namespace warren::coordinator
