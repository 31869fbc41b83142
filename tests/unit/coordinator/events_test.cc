// Events of the cluster: what is read of them, which ones matter, when they make the loop look, and how a new
// exchange is sharded between two observations.
#include <gtest/gtest.h>

#include "coordinator/burst.h"
#include "coordinator/cluster_event.h"
#include "coordinator/plan_basis.h"
#include "shardmgr/broker/amqp/table.h"
#include "shardmgr/plan/naming.h"

namespace warren::coordinator {
namespace {

using std::chrono::milliseconds;

ClusterEvent Event(std::string_view kind, const amqp::Table& headers) {
  const auto event = ParseClusterEvent(kind, headers.view());
  EXPECT_TRUE(event);
  return event.value_or(ClusterEvent{});
}

TEST(ParseClusterEvent, ReadsExchangesAndBindingsAsTheBrokerSendsThem) {
  amqp::Table exchange;
  exchange.Set("name", "shard.x").Set("vhost", "/").Set("type", "x-random").Set("durable", true).Set("internal", false);
  const ClusterEvent created = Event("exchange.created", exchange);
  EXPECT_EQ(created.name, "shard.x");
  EXPECT_EQ(created.vhost, "/");
  EXPECT_EQ(created.type, "x-random");
  EXPECT_TRUE(created.durable);
  EXPECT_FALSE(created.internal);
  amqp::Table binding;
  binding.Set("vhost", "v").Set("source_name", "shard.x").Set("destination_name", "q").Set("destination_kind", "queue");
  binding.Set("routing_key", "1");
  const ClusterEvent bound = Event("binding.deleted", binding);
  EXPECT_EQ(bound.source, "shard.x");
  EXPECT_EQ(bound.destination, "q");
  EXPECT_EQ(bound.routing_key, "1");
  EXPECT_TRUE(bound.to_queue);
}

TEST(ParseClusterEvent, TakesWhatIsMissingOrOfAnotherTypeForEmpty) {
  amqp::Table odd;
  odd.Set("name", 7).Set("durable", "yes").Set("vhost", true);
  const ClusterEvent event = Event("exchange.created", odd);
  EXPECT_TRUE(event.vhost.empty());
  EXPECT_FALSE(event.durable);
  EXPECT_TRUE(Event("something.new", amqp::Table()).name.empty());
  EXPECT_FALSE(ParseClusterEvent("", amqp_empty_table));
  EXPECT_FALSE(ParseClusterEvent(std::string(300, 'x'), amqp_empty_table));
}

class BurstTest : public ::testing::Test {
 protected:
  static Burst::Time At(int ms) { return Burst::Time(milliseconds(ms)); }
  Burst burst_;
};

TEST_F(BurstTest, LooksOnceItWasQuietForAMoment) {
  EXPECT_FALSE(burst_.due());
  burst_.Event(At(1'000));
  EXPECT_EQ(burst_.due(), At(1'020));
  burst_.Event(At(1'015));
  EXPECT_EQ(burst_.due(), At(1'035));
}

TEST_F(BurstTest, DoesNotWaitForEverForQuiet) {
  for (int ms = 1'000; ms <= 2'000; ms += 10) burst_.Event(At(ms));
  EXPECT_EQ(burst_.due(), At(1'200));
}

TEST_F(BurstTest, ForgetsWhatCameBeforeALookAndKeepsWhatCameDuringIt) {
  burst_.Event(At(1'000));
  burst_.Looked(At(1'020), At(1'050));
  EXPECT_FALSE(burst_.due());
  burst_.Event(At(2'000));
  burst_.Event(At(2'030));
  burst_.Looked(At(2'020), At(2'060));
  ASSERT_TRUE(burst_.due());
  EXPECT_EQ(burst_.due(), At(2'320));
}

TEST_F(BurstTest, NeverSpendsMoreThanHalfOfTheTimeOnLooksHoweverManyEventsCome) {
  int looks = 0;
  for (int ms = 0; ms < 60'000; ++ms) {
    burst_.Event(At(ms));
    if (At(ms) < *burst_.due()) continue;
    ++looks;
    burst_.Looked(At(ms), At(ms + 2'000));
    ms += 2'000;
  }
  EXPECT_LE(looks, 15);
  EXPECT_GE(looks, 14);
  Burst quick;
  looks = 0;
  for (int ms = 0; ms < 10'000; ++ms) {
    quick.Event(At(ms));
    if (At(ms) < *quick.due()) continue;
    ++looks;
    quick.Looked(At(ms), At(ms + 5));
  }
  EXPECT_LE(looks, 34);
  EXPECT_GE(looks, 30);
}

class PlanBasisTest : public ::testing::Test {
 protected:
  PlanBasisTest() {
    basis_.catalog = policies::Catalog::Build(
        {{"stream-definition.two", nlohmann::json{{"shards-per-node", 2}}, "global parameter"},
         {"stream-policy.%2F.two",
          nlohmann::json{{"pattern", "^shard\\."}, {"definition", {{"stream-definition", "two"}}}},
          "global parameter"}});
    basis_.topology.observed_at_ms = 1'000;
    basis_.topology.vhosts = {"/"};
    for (const char* name : {"a@h", "b@h", "c@h"}) {
      Node node;
      node.name = name;
      node.running = true;
      basis_.topology.nodes.push_back(node);
    }
  }
  static ClusterEvent Created(const std::string& name, const std::string& type = "x-consistent-hash") {
    ClusterEvent event;
    event.kind = "exchange.created";
    event.vhost = "/";
    event.name = name;
    event.type = type;
    event.durable = true;
    return event;
  }
  static ClusterEvent Named(const std::string& kind, const std::string& name) {
    ClusterEvent event;
    event.kind = kind;
    event.vhost = "/";
    event.name = name;
    return event;
  }
  static int Count(const StreamPlan& plan, ActionKind kind) {
    int count = 0;
    for (const Action& action : plan.actions) count += action.kind == kind ? 1 : 0;
    return count;
  }
  PlanBasis basis_;
};

TEST_F(PlanBasisTest, ANewExchangeThatAPolicyMatchesIsShardedOnEveryNode) {
  const auto plan = PlanNewExchange(basis_, Created("shard.new"));
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->exchange, "shard.new");
  EXPECT_EQ(Count(*plan, ActionKind::kDeclareShard), 6);
  EXPECT_EQ(Count(*plan, ActionKind::kBindShard), 6);
  EXPECT_EQ(plan->actions.size(), 12u);
}

TEST_F(PlanBasisTest, WithStablePlacementItsPlacesAreBuiltAtOnce) {
  basis_.catalog = policies::Catalog::Build(
      {{"stream-definition.two", nlohmann::json{{"shards-per-node", 2}, {"placement", "stable"}}, "global parameter"},
       {"stream-policy.%2F.two",
        nlohmann::json{{"pattern", "^shard\\."}, {"definition", {{"stream-definition", "two"}}}}, "global parameter"}});
  const auto plan = PlanNewExchange(basis_, Created("shard.new"));
  ASSERT_TRUE(plan);
  EXPECT_EQ(Count(*plan, ActionKind::kDeclareShardExchange), 12);
  EXPECT_EQ(Count(*plan, ActionKind::kBindShard), 6);
  EXPECT_EQ(Count(*plan, ActionKind::kBindExchange), 12);
}

TEST_F(PlanBasisTest, PlacesThatAreKnownOfAnExchangeOfThatNameAreBuiltAgain) {
  basis_.catalog = policies::Catalog::Build(
      {{"stream-definition.one", nlohmann::json{{"placement", "stable"}}, "global parameter"},
       {"stream-policy.%2F.one",
        nlohmann::json{{"pattern", "^shard\\."}, {"definition", {{"stream-definition", "one"}}}}, "global parameter"}});
  const auto fresh = PlanNewExchange(basis_, Created("shard.new"));
  ASSERT_TRUE(fresh);
  for (const Action& action : fresh->actions) {
    if (action.kind == ActionKind::kDeclareShardExchange)
      basis_.topology.exchanges.push_back(ShardExchange("/", action.exchange));
    if (action.kind != ActionKind::kBindShard && action.kind != ActionKind::kBindExchange) continue;
    Binding binding;
    binding.vhost = "/";
    binding.source = action.exchange;
    binding.destination = action.queue;
    binding.routing_key = action.routing_key;
    binding.to_queue = action.kind == ActionKind::kBindShard;
    basis_.topology.bindings.push_back(binding);
  }
  const auto again = PlanNewExchange(basis_, Created("shard.new"));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->actions.size(), fresh->actions.size()) << "what is known of them may be on its way out";
}

TEST_F(PlanBasisTest, EventsOfTheExchangesOfStablePlacementConcernTheCoordinator) {
  const std::string shard = ShardName("shard.new", "a@h", 0);
  EXPECT_TRUE(Concerns(basis_, Named("exchange.deleted", shard)));
  EXPECT_TRUE(Concerns(basis_, Named("exchange.deleted", AlternateName(shard))));
  ClusterEvent moved = Named("binding.deleted", "");
  moved.source = AlternateName(ShardName("shard.new", "b@h", 0));
  moved.destination = shard;
  moved.to_queue = false;
  EXPECT_TRUE(Concerns(basis_, moved));
}

TEST_F(PlanBasisTest, OtherExchangesAndThoseThatCannotBeShardedWaitForTheNextObservation) {
  EXPECT_FALSE(PlanNewExchange(basis_, Created("other")));
  EXPECT_FALSE(PlanNewExchange(basis_, Created("shard.direct", "direct")));
}

TEST_F(PlanBasisTest, NothingIsPlacedOnNodesThatDoNotAnswerOrDoNotRun) {
  basis_.topology.nodes[0].running = false;
  basis_.limits.unreachable_nodes = {"b@h"};
  const auto plan = PlanNewExchange(basis_, Created("shard.new"));
  ASSERT_TRUE(plan);
  EXPECT_EQ(Count(*plan, ActionKind::kDeclareShard), 2);
  for (const Action& action : plan->actions) EXPECT_EQ(action.node, "c@h");
}

TEST_F(PlanBasisTest, BindingsOfAnExchangeThatHadTheSameNameDoNotCount) {
  const std::string queue = ShardName("shard.new", "a@h", 0);
  Queue left;
  left.vhost = "/";
  left.name = queue;
  left.node = "a@h";
  left.type = "classic";
  left.state = "running";
  left.durable = true;
  left.arguments = {{"x-queue-type", "classic"}};
  Binding binding;
  binding.vhost = "/";
  binding.source = "shard.new";
  binding.destination = queue;
  binding.routing_key = "1";
  basis_.topology.queues = {left};
  basis_.topology.bindings = {binding};
  const auto plan = PlanNewExchange(basis_, Created("shard.new"));
  ASSERT_TRUE(plan);
  EXPECT_EQ(Count(*plan, ActionKind::kDeclareShard), 5);
  EXPECT_EQ(Count(*plan, ActionKind::kBindShard), 6);
}

TEST_F(PlanBasisTest, EventsOfOthersDoNotConcernTheCoordinator) {
  ClusterEvent foreign = Named("binding.deleted", "");
  foreign.source = "orders";
  foreign.destination = "amq.gen-x";
  EXPECT_FALSE(Concerns(basis_, foreign));
  EXPECT_FALSE(Concerns(basis_, Named("queue.created", "amq.gen-x")));
  EXPECT_FALSE(Concerns(basis_, Named("exchange.created", "orders")));
  EXPECT_FALSE(Concerns(basis_, Named("user.authentication.success", "guest")));
  ClusterEvent parameter = Named("parameter.set", "stream.http");
  EXPECT_FALSE(Concerns(basis_, parameter));  // Of a vhost.
  parameter.component = "global";
  EXPECT_TRUE(Concerns(basis_, parameter));
  EXPECT_TRUE(Concerns(basis_, Named("queue.deleted", ShardName("orders", "a@h", 0))));
  EXPECT_TRUE(Concerns(basis_, Named("exchange.created", "shard.x")));
  EXPECT_TRUE(Concerns(basis_, Named("policy.set", "locator")));
  foreign.source = "shard.x";
  EXPECT_TRUE(Concerns(basis_, foreign));
  basis_.streams.insert({"/", "orders"});
  EXPECT_TRUE(Concerns(basis_, Named("exchange.deleted", "orders")));
}

}  // namespace
}  // namespace warren::coordinator
