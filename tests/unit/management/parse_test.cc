// Parsers of the management API's answers, on answers as RabbitMQ 3.10 gives them.
#include "shardmgr/broker/management/parse.h"

#include <gtest/gtest.h>

namespace warren::management {
namespace {

using nlohmann::json;

TEST(ParseOverview, TakesAmqpListenersOnly) {
  const auto overview = ParseOverview(json::parse(R"({"rabbitmq_version":"3.10.8","cluster_name":"c","listeners":[
      {"node":"a@h","protocol":"amqp","ip_address":"::","port":5672,"socket_opts":[]},
      {"node":"a@h","protocol":"clustering","ip_address":"::","port":25672},
      {"node":"b@h","protocol":"amqp/ssl","ip_address":"10.0.0.1","port":5671}]})"));
  ASSERT_TRUE(overview);
  std::vector<Node> nodes(2);
  nodes[0].name = "a@h";
  nodes[1].name = "b@h";
  AssignListeners(*overview, nodes);
  ASSERT_EQ(nodes[0].listeners.size(), 1u);
  EXPECT_EQ(nodes[0].listeners[0].address, "::");
  ASSERT_EQ(nodes[1].listeners.size(), 1u);
  EXPECT_EQ(nodes[1].listeners[0].port, 5671);
}

TEST(ParseOverview, RefusesAPortOutOfRangeAndNamesIt) {
  const auto overview = ParseOverview(
      json::parse(R"({"rabbitmq_version":"4","listeners":[{"node":"a","protocol":"amqp","port":70000}]})"));
  ASSERT_FALSE(overview);
  EXPECT_EQ(overview.error().code, ErrorCode::kProtocol);
  EXPECT_NE(overview.error().message.find("'port' of listeners[0]"), std::string::npos) << overview.error().message;
}

TEST(ParseNodes, ReadsMaintenanceWhereTheBrokerTells) {
  const auto nodes = ParseNodes(json::parse(R"([{"name":"a","running":true},
      {"name":"b","running":true,"being_drained":true},{"name":"c","running":false,"being_drained":false},
      {"name":"d","running":true,"maintenance":"draining"},{"name":"e","running":true,"maintenance":"regular"}])"));
  ASSERT_TRUE(nodes);
  EXPECT_FALSE((*nodes)[0].maintenance.has_value());
  EXPECT_EQ((*nodes)[1].maintenance, true);
  EXPECT_EQ((*nodes)[2].maintenance, false);
  EXPECT_EQ((*nodes)[3].maintenance, true);
  EXPECT_EQ((*nodes)[4].maintenance, false);
}

TEST(ParseQueues, LeavesWhatWasNotReportedUnset) {
  const auto queues =
      ParseQueues(json::parse(R"([{"vhost":"/","name":"q","leader":"a@h","arguments":{"x-queue-type":"quorum"}},
      {"vhost":"/","name":"r","node":"b@h","type":"classic","arguments":[],"messages_ready":3,
       "messages_unacknowledged":0,
       "consumers":2,"message_stats":{"publish_details":{"rate":1.5}}}])"));
  ASSERT_TRUE(queues);
  EXPECT_EQ((*queues)[0].type, "quorum");
  EXPECT_EQ((*queues)[0].node, "a@h");
  EXPECT_FALSE((*queues)[0].ready.has_value());
  EXPECT_FALSE((*queues)[0].publish_per_second.has_value());
  EXPECT_EQ((*queues)[1].ready, 3u);
  EXPECT_EQ((*queues)[1].publish_per_second, 1.5);
  EXPECT_FALSE((*queues)[1].deliver_per_second.has_value());
  EXPECT_TRUE((*queues)[1].arguments.is_object());
}

TEST(ParseQueues, ReadsPlacesStatesAndCountsAlone) {
  const auto queues = ParseQueues(json::parse(R"([{"vhost":"/","name":"amq.gen-1","node":"b@h","state":"running",
      "exclusive":true,"messages_ready":1,"messages_unacknowledged":2,"consumers":0},
      {"vhost":"/","name":"q","node":"a@h","state":"down"}])"));
  ASSERT_TRUE(queues);
  EXPECT_TRUE((*queues)[0].exclusive);
  EXPECT_EQ((*queues)[0].node, "b@h");
  EXPECT_EQ((*queues)[0].consumers, 0u);
  EXPECT_FALSE((*queues)[1].exclusive);
  EXPECT_EQ((*queues)[1].state, "down");
  EXPECT_FALSE((*queues)[1].unacked.has_value());
}

TEST(ParseQueues, NamesTheFieldThatIsWrong) {
  const auto queues = ParseQueues(json::parse(R"([{"vhost":"/","name":"q"},{"vhost":"/","name":7}])"));
  ASSERT_FALSE(queues);
  EXPECT_EQ(queues.error().code, ErrorCode::kProtocol);
  EXPECT_NE(queues.error().message.find("'name' of queues[1]"), std::string::npos) << queues.error().message;
}

TEST(ParseQueues, RefusesWhatIsNoList) {
  EXPECT_FALSE(ParseQueues(json::parse(R"({"error":"x"})")));
  EXPECT_FALSE(ParseQueues(json::parse("[null]")));
}

TEST(ParseBindings, TellsQueuesFromExchanges) {
  const auto bindings = ParseBindings(json::parse(
      R"([{"source":"x","vhost":"/","destination":"q","destination_type":"queue","routing_key":"1","arguments":{}},
          {"source":"x","vhost":"/","destination":"y","destination_type":"exchange","routing_key":"",
           "arguments":{}}])"));
  ASSERT_TRUE(bindings);
  EXPECT_TRUE((*bindings)[0].to_queue);
  EXPECT_FALSE((*bindings)[1].to_queue);
}

TEST(ParseGlobalParameters, KeepsOursAndDropsForeignOnes) {
  const auto parameters = ParseGlobalParameters(json::parse(R"([{"name":"internal_cluster_id","value":"x"},
      {"name":"stream.routing-key","value":"1"},{"name":"stream-definition.a","value":{}}])"));
  ASSERT_TRUE(parameters);
  ASSERT_EQ(parameters->size(), 2u);
  EXPECT_EQ((*parameters)[0].name, "stream-definition.a");
  EXPECT_EQ((*parameters)[1].source, "global parameter");
}

TEST(ParseGlobalParameters, TakesAnEmptyListForTheEmptyObjectThatTheBrokerMadeItOf) {
  const auto parameters = ParseGlobalParameters(
      json::parse(R"([{"name":"stream-definition.a","value":[]},{"name":"stream.queue","value":{"arguments":[]}}])"));
  ASSERT_TRUE(parameters);
  EXPECT_EQ((*parameters)[0].value, json::object());
  EXPECT_EQ((*parameters)[1].value["arguments"], json::object());
}

TEST(ParseConsumers, ReadsQueueAndTag) {
  const auto consumers = ParseConsumers(json::parse(R"([{"consumer_tag":"t","queue":{"name":"q","vhost":"/"},
      "prefetch_count":5,"ack_required":true,"active":true,"channel_details":{"connection_name":"c"}}])"));
  ASSERT_TRUE(consumers);
  EXPECT_EQ((*consumers)[0].queue, "q");
  EXPECT_EQ((*consumers)[0].prefetch, 5u);
  EXPECT_EQ((*consumers)[0].connection, "c");
  EXPECT_FALSE(ParseConsumers(json::parse(R"([{"consumer_tag":"t"}])")));
}

TEST(ParseUser, ReadsTagsAsListAndAsText) {
  EXPECT_EQ(ParseUser(json::parse(R"({"name":"g","tags":["a","b"]})"))->tags, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(ParseUser(json::parse(R"({"name":"g","tags":"a,b"})"))->tags, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(ParseUser(json::parse(R"({"name":"g","tags":""})"))->tags.empty());
}

TEST(ParseQueues, ReadsTotalsMembersAndPolicies) {
  const auto queues = ParseQueues(json::parse(R"([{"vhost":"/","name":"q","leader":"a@h","members":["a@h","b@h"],
      "type":"quorum","policy":"p","operator_policy":"o","effective_policy_definition":{"max-length":5},
      "message_stats":{"publish":7,"publish_details":{"rate":0.5}}},
      {"vhost":"/","name":"new","effective_policy_definition":[]}])"));
  ASSERT_TRUE(queues) << queues.error().ToString();
  const Queue& queue = queues->at(0);
  EXPECT_EQ(queue.published, 7u);
  EXPECT_EQ(queue.publish_per_second, 0.5);
  EXPECT_EQ(queue.members, (std::vector<std::string>{"a@h", "b@h"}));
  EXPECT_EQ(queue.policy, "p");
  EXPECT_EQ(queue.operator_policy, "o");
  EXPECT_EQ(queue.policy_definition, json::parse(R"({"max-length":5})"));
  const Queue& fresh = queues->at(1);
  EXPECT_FALSE(fresh.published);
  EXPECT_TRUE(fresh.members.empty() && fresh.policy.empty());
  EXPECT_EQ(fresh.policy_definition, json::object());
}

TEST(ParseExchanges, ReadsThePolicyThatApplies) {
  const auto exchanges = ParseExchanges(json::parse(R"([{"vhost":"/","name":"e","type":"x-random","policy":"p"}])"));
  ASSERT_TRUE(exchanges);
  EXPECT_EQ(exchanges->at(0).policy, "p");
}

TEST(ParseBrokerPolicies, ReadsNameAndDefinition) {
  const auto policies =
      ParseBrokerPolicies(json::parse(R"([{"vhost":"v","name":"p","definition":{"shards-per-node":2}}])"));
  ASSERT_TRUE(policies);
  EXPECT_EQ(policies->at(0).vhost, "v");
  EXPECT_EQ(policies->at(0).definition["shards-per-node"], 2);
}

TEST(FindPropertiesKey, TellsBindingsWithOtherArgumentsApart) {
  const json bindings = json::parse(R"([
      {"routing_key":"1","arguments":{},"properties_key":"1"},
      {"routing_key":"1","arguments":{"a":1},"properties_key":"1~5hoB1A"}])");
  EXPECT_EQ(*FindPropertiesKey(bindings, "1", json::object()), "1");
  EXPECT_EQ(*FindPropertiesKey(bindings, "1", {{"a", 1}}), "1~5hoB1A");
  EXPECT_EQ(*FindPropertiesKey(bindings, "2", json::object()), std::nullopt);
  EXPECT_EQ(*FindPropertiesKey(json::array(), "1", json::object()), std::nullopt);
  EXPECT_FALSE(FindPropertiesKey(json::parse(R"([{"routing_key":"1"}])"), "1", json::object()));
}

TEST(TakeCounts, GoesByVhostAndNameAndForgetsWhatTheTotalsDoNotKnow) {
  // Long names: nothing of them may be kept by where a copy of them once was.
  const std::string name = "stream: a.rather.long.exchange - rabbit1@localhost - 0";
  std::vector<Queue> queues(3);
  queues[0].vhost = queues[2].vhost = "/";
  queues[1].vhost = "team";
  queues[0].name = queues[1].name = name;
  queues[2].name = "gone";
  queues[2].ready = 4;
  std::vector<Queue> totals = {queues[1], queues[0]};
  totals[0].ready = 7;
  totals[1].ready = 5;
  totals[1].unacked = 2;
  TakeCounts(totals, queues);
  EXPECT_EQ(queues[0].ready, 5u);
  EXPECT_EQ(queues[0].unacked, 2u);
  EXPECT_EQ(queues[1].ready, 7u);
  EXPECT_FALSE(queues[1].unacked);
  EXPECT_FALSE(queues[2].ready);
}

}  // namespace
}  // namespace warren::management
