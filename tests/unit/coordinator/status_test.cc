// Conditions over time, node addresses, readiness, and metrics made of a snapshot.
#include "coordinator/status.h"

#include <gtest/gtest.h>

#include "coordinator/node_address.h"
#include "coordinator/telemetry.h"

namespace warren::coordinator {
namespace {

Plan PlanWith(std::vector<Condition> conditions) {
  Plan plan;
  StreamPlan stream;
  stream.vhost = "/";
  stream.exchange = "web";
  stream.conditions = std::move(conditions);
  plan.streams = {stream};
  return plan;
}

TEST(ConditionBook, KeepsSinceWhileAConditionHoldsAndForgetsItAfterwards) {
  ConditionBook book;
  const Condition down{ConditionType::kDegraded, "NodeDown", "rabbit1 is down", false};
  const Condition changed{ConditionType::kDegraded, "NodeDown", "rabbit1 and rabbit2 are down", false};
  EXPECT_EQ(book.Update(PlanWith({down}), {}, 100)[0].conditions[0].since_ms, 100);
  EXPECT_EQ(book.Update(PlanWith({changed}), {}, 200)[0].conditions[0].since_ms, 100);
  EXPECT_TRUE(book.Update(PlanWith({}), {}, 300)[0].conditions.empty());
  EXPECT_EQ(book.Update(PlanWith({down}), {}, 400)[0].conditions[0].since_ms, 400);
}

TEST(ConditionBook, PutsAFailedApplyOnItsStreamAlone) {
  ConditionBook book;
  Plan plan = PlanWith({});
  plan.streams.push_back(plan.streams[0]);
  plan.streams[1].exchange = "other";
  const auto statuses = book.Update(plan, {{{"/", "web"}, Error{ErrorCode::kTimeout, "no answer", "bind"}}}, 1);
  ASSERT_EQ(statuses[0].conditions.size(), 1u);
  EXPECT_EQ(statuses[0].conditions[0].condition.reason, "ApplyFailed");
  EXPECT_NE(statuses[0].conditions[0].condition.message.find("bind: no answer"), std::string::npos);
  EXPECT_FALSE(statuses[0].ready());
  EXPECT_TRUE(statuses[1].conditions.empty());
}

TEST(NodeEndpoint, PrefersWhatTheUserSaidThenTheListenerThenTheNodesName) {
  Node node;
  node.name = "rabbit@host1";
  node.listeners = {{"amqp/ssl", "::", 5671}, {"amqp", "::", 5672}};
  EXPECT_EQ(NodeEndpoint(node, {}, false)->ToString(), "host1:5672");
  EXPECT_EQ(NodeEndpoint(node, {}, true)->host, "host1");
  EXPECT_TRUE(NodeEndpoint(node, {}, true)->tls);
  node.listeners = {{"amqp", "10.1.2.3", 5673}};
  EXPECT_EQ(NodeEndpoint(node, {}, false)->ToString(), "10.1.2.3:5673");
  EXPECT_EQ(NodeEndpoint(node, {{"rabbit@host1", {"other", 1, false}}}, false)->ToString(), "other:1");
  const auto none = NodeEndpoint(node, {}, true);
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().ToString().find("--node-address rabbit@host1="), std::string::npos);
}

TEST(CoordinatorReadiness, AllowsThreeIntervalsOfFailureAndWantsOneObservation) {
  const std::chrono::seconds interval(5);
  Snapshot snapshot;
  EventStatus events;
  EXPECT_FALSE(CoordinatorReadiness(snapshot, events, 1'000, interval).ready);
  snapshot.observed_at_ms = 100'000;
  EXPECT_TRUE(CoordinatorReadiness(snapshot, events, 900'000, interval).ready);  // A long apply is no failure.
  snapshot.observation_error = Error{ErrorCode::kUnavailable, "refused", "http://x"};
  EXPECT_TRUE(CoordinatorReadiness(snapshot, events, 115'000, interval).ready);
  const auto stale = CoordinatorReadiness(snapshot, events, 116'000, interval);
  EXPECT_FALSE(stale.ready);
  EXPECT_NE(stale.reason.find("refused"), std::string::npos);
}

TEST(CoordinatorReadiness, SaysWhereNewsComesFrom) {
  Snapshot snapshot;
  snapshot.observed_at_ms = 1'000;
  EventStatus events{false, "there is no such exchange", 0};
  EXPECT_EQ(CoordinatorReadiness(snapshot, events, 1'000, std::chrono::seconds(5)).reason,
            "polling, without events: there is no such exchange");
  events = {true, {}, 0};
  EXPECT_EQ(CoordinatorReadiness(snapshot, events, 1'000, std::chrono::seconds(5)).reason,
            "hears events of the cluster");
  EXPECT_EQ(CoordinatorReadiness(snapshot, events, 1'000, std::chrono::seconds(5), "follows x").reason,
            "follows x; hears events of the cluster");
}

TEST(CollectSnapshot, GivesNoSeriesForWhatIsUnknownOrGone) {
  Snapshot snapshot;
  const auto count = [&](std::string_view name) {
    for (const auto& family : CollectSnapshot(snapshot, 2'000)) {
      if (family.name == name) return static_cast<int>(family.metric.size());
    }
    return -1;
  };
  EXPECT_EQ(count("warren_observation_age_seconds"), 0);
  EXPECT_EQ(count("warren_shard_messages_ready"), 0);
  StreamStatus stream;
  Shard shard;
  shard.ready = 5;
  stream.plan.shards = {shard};
  snapshot.streams = {stream};
  snapshot.observed_at_ms = 1'000;
  EXPECT_EQ(count("warren_observation_age_seconds"), 1);
  EXPECT_EQ(count("warren_shard_messages_ready"), 1);
  EXPECT_EQ(count("warren_shard_messages_unacked"), 0);
  snapshot.streams.clear();
  EXPECT_EQ(count("warren_shard_messages_ready"), 0);
}

}  // namespace
}  // namespace warren::coordinator
