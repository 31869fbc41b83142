// One consumer for the client, one for each shard upstream.
#include <algorithm>

#include "proxy/gateway/subscriptions.h"
#include "talk.h"

namespace warren::gateway {
namespace {

class ConsumingTest : public Talk {
 protected:
  const std::string n1 = ShardOn("n1"), n2 = ShardOn("n2"), n3 = ShardOn("n3");
  static std::string CancelOf(const std::string& tag, bool no_wait = false) {
    std::string bytes;
    AppendCancel(bytes, 1, tag, no_wait);
    return bytes;
  }
  static std::string Declared(const std::string& queue, std::uint32_t messages, std::uint32_t consumers) {
    std::string bytes;
    AppendDeclared(bytes, 1, {queue, messages, consumers});
    return bytes;
  }
  static std::string ChannelClose(std::uint16_t code, const std::string& text) {
    std::string bytes;
    AppendClose(bytes, 1, AMQP_CHANNEL_CLOSE_METHOD, {code, text, AMQP_BASIC_CONSUME_METHOD});
    return bytes;
  }
};

TEST_F(ConsumingTest, OpensOneForEachShardAndAnswersOnce) {
  Begin();
  Client(ConsumeOf("logs", "c"));
  EXPECT_TRUE(conversation->stalled());
  ASSERT_EQ(joined.size(), 1u);
  EXPECT_EQ(joined.begin()->second.exchange, kExchange);
  EXPECT_EQ(Shards(1, {n1, n2}),
            (Strings{"1 basic.consume " + n1 + "|c/shard-1.1", "1 basic.consume " + n2 + "|c/shard-1.2"}));
  EXPECT_EQ(Broker(ConsumeOk("c/shard-1.1") + DeliverTo("c/shard-1.1", 1) + ConsumeOk("c/shard-1.2")),
            (Strings{"0 heartbeat", "1 basic.consume-ok c", "1 basic.deliver c 1", "1 header", "1 body x"}));
}

TEST_F(ConsumingTest, WhatIsSaidAfterConsumeAndCancelIsAnsweredAfterThem) {
  Begin();
  std::string qos;
  AppendQos(qos, 1, 0);
  Client(ConsumeOf(kExchange, "c") + qos);
  EXPECT_EQ(TagsIn(Shards(1, {n1, n2})).size(), 2u);
  EXPECT_TRUE(conversation->stalled());
  Broker(ConsumeOk("c/shard-1.1"));
  EXPECT_EQ(to_broker, Strings{"1 basic.qos 0"});
  Broker(Method(AMQP_BASIC_QOS_OK_METHOD) + ConsumeOk("c/shard-1.2"));
  Client(CancelOf("c") + qos);
  EXPECT_TRUE(conversation->stalled());
  Broker(CancelOk("c/shard-1.1"));
  EXPECT_EQ(to_broker, Strings{});
  Broker(CancelOk("c/shard-1.2"));
  EXPECT_EQ(to_broker, Strings{"1 basic.qos 0"});
}

TEST_F(ConsumingTest, MakesUpATagWhereTheClientHasNone) {
  Begin();
  Client(ConsumeOf(kExchange, ""));
  const Strings tags = TagsIn(Shards(1, {n1}));
  EXPECT_EQ(Broker(ConsumeOk(tags.at(0))).back(), "1 basic.consume-ok amq.ctag-stream-1");
}

TEST_F(ConsumingTest, AnswersAtOnceWhenThereIsNoShardToConsumeNow) {
  Begin();
  Client(ConsumeOf(kExchange, "c"));
  EXPECT_EQ(Shards(1, {}), Strings{"1 basic.qos 0"}) << "after all answers that the broker owes";
  EXPECT_EQ(Broker(Method(AMQP_BASIC_QOS_OK_METHOD)), Strings{"1 basic.consume-ok c"});
  EXPECT_EQ(Shards(1, {n3}).size(), 1u);
}

TEST_F(ConsumingTest, SaysNotFoundWhenTheStreamIsGone) {
  Begin();
  Client(ConsumeOf("logs", "c"));
  Shards(1, {}, false);
  EXPECT_EQ(to_client, Strings{"1 channel.close 404 NOT_FOUND - no queue 'logs' in vhost '/'"});
}

TEST_F(ConsumingTest, NoWaitGetsNoAnswerButItsMessages) {
  Begin();
  Client(ConsumeOf(kExchange, "c", Consume::kNoWait));
  Shards(1, {n1});
  EXPECT_EQ(to_client, Strings{});
  EXPECT_EQ(Broker(ConsumeOk("c/shard-1.1")), Strings{"0 heartbeat"});
  EXPECT_EQ(Broker(DeliverTo("c/shard-1.1", 1)).front(), "1 basic.deliver c 1");
}

TEST_F(ConsumingTest, ShardsComeAndGoUnderTheSameTag) {
  Begin();
  ConsumeStream(0, {n1, n2});
  EXPECT_EQ(Shards(1, {n2, n3}), (Strings{"1 basic.cancel c/shard-1.1", "1 basic.consume " + n3 + "|c/shard-1.3"}));
  EXPECT_EQ(Broker(DeliverTo("c/shard-1.1", 1)).front(), "1 basic.deliver c 1") << "until it is cancelled";
  now += std::chrono::seconds(5);
  EXPECT_EQ(Broker(CancelOk("c/shard-1.1") + ConsumeOk("c/shard-1.3")), Strings{"0 heartbeat"});
  EXPECT_EQ(Broker(DeliverTo("c/shard-1.3", 2)).front(), "1 basic.deliver c 2");
}

TEST_F(ConsumingTest, CancelsAllAndThenAnswersOnce) {
  Begin();
  ConsumeStream(0, {n1, n2});
  EXPECT_EQ(Client(CancelOf("c")), (Strings{"1 basic.cancel c/shard-1.1", "1 basic.cancel c/shard-1.2"}));
  EXPECT_EQ(left, std::vector<ConsumerId>{1});
  EXPECT_EQ(Broker(CancelOk("c/shard-1.2")), Strings{});
  EXPECT_EQ(Broker(DeliverTo("c/shard-1.1", 1)).front(), "1 basic.deliver c 1");
  EXPECT_EQ(Broker(CancelOk("c/shard-1.1")), Strings{"1 basic.cancel-ok c"});
  EXPECT_EQ(conversation->tally().consumers, 0u);
  Client(ConsumeOf(kExchange, "c"));
  EXPECT_EQ(TagsIn(Shards(2, {n1})), Strings{"c/shard-2.1"});
}

TEST_F(ConsumingTest, ALostShardIsAskedForAgainOnlyWhenItIsThere) {
  Begin();
  ConsumeStream(0, {n1, n2});
  std::string notice;
  AppendCancel(notice, 1, "c/shard-1.2", true);
  EXPECT_TRUE(Broker(notice).size() <= 1u) << "the client has another shard";
  EXPECT_EQ(lost, Strings{n2});
  EXPECT_EQ(Shards(1, {n1, n2}), Strings{}) << "an older list";
  EXPECT_EQ(Shards(1, {n1}), Strings{});
  EXPECT_EQ(TagsIn(Shards(1, {n1, n2})), Strings{"c/shard-1.3"});
}

TEST_F(ConsumingTest, TellsTheClientWhenNoShardIsLeft) {
  Begin();
  ConsumeStream(0, {n1, n2});
  std::string notices;
  for (const char* tag : {"c/shard-1.1", "c/shard-1.2"}) AppendCancel(notices, 1, tag, true);
  Broker(notices);
  Shards(1, {}, false);
  EXPECT_EQ(to_client, Strings{"1 basic.cancel c"});
  EXPECT_EQ(left, std::vector<ConsumerId>{1});
}

TEST_F(ConsumingTest, DoesNotTellAClientThatDoesNotKnowCancelNotices) {
  Begin({}, false);
  ConsumeStream(0, {n1});
  std::string notices;
  AppendCancel(notices, 1, "c/shard-1.1", true);
  AppendCancel(notices, 1, "ordinary", true);
  Broker(notices);
  Shards(1, {}, false);
  EXPECT_TRUE(std::none_of(to_client.begin(), to_client.end(),
                           [](const std::string& line) { return line.find("basic.cancel") != std::string::npos; }));
  EXPECT_EQ(conversation->tally().consumers, 0u);
}

TEST_F(ConsumingTest, RefusesATagThatIsInUseWhicheverWasFirst) {
  const std::string refusal = "0 connection.close 530 NOT_ALLOWED - attempt to reuse consumer tag 'c'";
  Begin();
  ConsumeStream(0, {n1});
  Client(ConsumeOf("mine", "c"));
  EXPECT_EQ(to_client, Strings{refusal});
  joined.clear();
  Begin();
  Client(ConsumeOf("mine", "c") + ConsumeOf(kExchange, "c"));
  EXPECT_EQ(to_client, Strings{refusal});
  Begin();
  Broker(ConsumeOk("amq.ctag-1"));  // Made by the broker for the client.
  Client(ConsumeOf(kExchange, "amq.ctag-1"));
  EXPECT_TRUE(to_client.back().starts_with("0 connection.close 530"));
}

TEST_F(ConsumingTest, AnExclusiveConsumerHearsNothingBeforeItHasAllShards) {
  Begin();
  Client(ConsumeOf(kExchange, "c", Consume::kExclusive));
  EXPECT_TRUE(joined.begin()->second.exclusive);
  Shards(1, {n1, n2});
  const Strings early = Broker(ConsumeOk("c/shard-1.1") + DeliverTo("c/shard-1.1", 1));
  EXPECT_EQ(std::count(early.begin(), early.end(), "1 header"), 0);
  EXPECT_EQ(Broker(ConsumeOk("c/shard-1.2")),
            (Strings{"1 basic.consume-ok c", "1 basic.deliver c 1", "1 header", "1 body x"}));
}

TEST_F(ConsumingTest, ARefusalNamesTheQueueAsTheClientDoes) {
  Begin();
  Client(ConsumeOf("logs", "c", Consume::kExclusive));
  Shards(1, {n1, n2});
  Broker(ConsumeOk("c/shard-1.1") + DeliverTo("c/shard-1.1", 1) +
         ChannelClose(403, "ACCESS_REFUSED - queue '" + n2 + "' in vhost '/' in exclusive use"));
  EXPECT_EQ(to_client.back(), "1 channel.close 403 ACCESS_REFUSED - queue 'logs' in vhost '/' in exclusive use");
  EXPECT_EQ(left, std::vector<ConsumerId>{1});
  EXPECT_EQ(Client(Method(AMQP_CHANNEL_CLOSE_OK_METHOD)), Strings{"1 channel.close-ok"});
  EXPECT_EQ(conversation->tally().channels, 0u);
}

TEST_F(ConsumingTest, AShardThatIsNotThereIsLostBeforeTheClientComesAgain) {
  Begin();
  Client(ConsumeOf("logs", "c"));
  Shards(1, {n1, n2, n3});
  Broker(ConsumeOk("c/shard-1.1") + ChannelClose(404, "NOT_FOUND - no queue '" + n2 + "' in vhost '/'"));
  EXPECT_EQ(to_client.back(), "1 channel.close 404 NOT_FOUND - no queue 'logs' in vhost '/'");
  EXPECT_EQ(lost, Strings{n2});
  EXPECT_EQ(left, std::vector<ConsumerId>{1});
}

TEST_F(ConsumingTest, NoShardIsLostByAQueueOfTheClientsThatIsNotThere) {
  Begin();
  Client(ConsumeOf("logs", "c", Consume::kNoWait) + ConsumeOf("mine", "d"));
  Shards(1, {n1, n2});
  Broker(ChannelClose(404, "NOT_FOUND - no queue 'mine' in vhost '/'"));
  EXPECT_EQ(lost, Strings{});
  EXPECT_EQ(left, std::vector<ConsumerId>{1});
}

TEST_F(ConsumingTest, ANoticeThatCrossesACancelIsNotAnsweredTwice) {
  Begin();
  ConsumeStream(0, {n1, n2});
  Shards(1, {n2});
  std::string notice;
  AppendCancel(notice, 1, "c/shard-1.1", true);
  Broker(notice);
  EXPECT_EQ(lost, Strings{});
  for (const std::string& line : Broker(CancelOk("c/shard-1.1"))) EXPECT_EQ(line, "0 heartbeat");
}

TEST_F(ConsumingTest, AnExclusiveConsumerWithoutAcknowledgementsAsksFirst) {
  Begin();
  Client(ConsumeOf("logs", "c", Consume::kExclusive | Consume::kNoAck));
  EXPECT_EQ(Shards(1, {n1, n2}), (Strings{"1 queue.declare " + n1, "1 queue.declare " + n2}));
  EXPECT_TRUE(conversation->stalled());
  Broker(Declared(n1, 5, 0));
  EXPECT_EQ(to_broker, Strings{});
  Broker(Declared(n2, 5, 0));
  EXPECT_EQ(TagsIn(to_broker), (Strings{"c/shard-1.1", "c/shard-1.2"}));
  EXPECT_EQ(Broker(ConsumeOk("c/shard-1.1") + ConsumeOk("c/shard-1.2")).back(), "1 basic.consume-ok c");
  // It has them: what comes now is the broker's to refuse.
  EXPECT_EQ(TagsIn(Shards(1, {n1, n2, n3})), Strings{"c/shard-1.3"});
}

TEST_F(ConsumingTest, AnExclusiveConsumerWithoutAcknowledgementsIsRefusedBeforeAnythingIsDelivered) {
  Begin();
  Client(ConsumeOf("logs", "c", Consume::kExclusive | Consume::kNoAck));
  Shards(1, {n1, n2});
  Broker(Declared(n1, 5, 0) + Declared(n2, 5, 1));
  EXPECT_EQ(to_broker, Strings{"1 channel.close 200 "});
  EXPECT_EQ(to_client.back(), "1 channel.close 403 ACCESS_REFUSED - queue 'logs' in vhost '/' in exclusive use");
  EXPECT_EQ(left, std::vector<ConsumerId>{1});
}

TEST_F(ConsumingTest, AShardThatIsNotThereWhenItIsAskedForIsLost) {
  Begin();
  Client(ConsumeOf("logs", "c", Consume::kExclusive | Consume::kNoAck));
  Shards(1, {n1, n2});
  Broker(Declared(n1, 5, 0) + ChannelClose(404, "NOT_FOUND - no queue '" + n2 + "' in vhost '/'"));
  EXPECT_EQ(to_client.back(), "1 channel.close 404 NOT_FOUND - no queue 'logs' in vhost '/'");
  EXPECT_EQ(lost, Strings{n2});
}

TEST_F(ConsumingTest, TheEmptyNameIsWhatTheClientDeclaredLastWhoeverElseAsked) {
  Begin();
  const auto check = [this] {
    Client(ConsumeOf("logs", "c", Consume::kExclusive | Consume::kNoAck));
    Shards(joined.rbegin()->first, {n1});
    Broker(Declared(n1, 0, 0));
    Broker(ConsumeOk(TagsIn(to_broker).at(0)));
  };
  std::string get, declare;
  FrameWriter(get, 1, AMQP_BASIC_GET_METHOD).U16(0).ShortString("").U8(0).End();
  FrameWriter(declare, 1, AMQP_QUEUE_DECLARE_METHOD).U16(0).ShortString("").U8(0).U32(0).End();
  Client(declare);
  Broker(Declared("amq.gen-1", 0, 0));
  check();
  EXPECT_EQ(Client(get), Strings{"1 basic.get amq.gen-1"});
  Client(declare);
  EXPECT_EQ(Client(get), Strings{"1 basic.get "}) << "the broker knows";
  Begin();
  check();
  Client(get);
  EXPECT_EQ(to_client, Strings{"1 channel.close 404 NOT_FOUND - no previously declared queue"});
}

TEST_F(ConsumingTest, AnExclusiveConsumerThatLosesAWaitingShardGetsItsMessageWhole) {
  Begin();
  Client(ConsumeOf(kExchange, "c", Consume::kExclusive));
  Shards(1, {n1, n2});
  const std::string deliver = DeliverTo("c/shard-1.1", 1, "body");
  const std::size_t before_body = deliver.size() - 12;
  Broker(ConsumeOk("c/shard-1.1") + deliver.substr(0, before_body));
  Shards(1, {n1});
  EXPECT_EQ(to_client, (Strings{"1 basic.consume-ok c", "1 basic.deliver c 1", "1 header"}));
  EXPECT_EQ(Broker(deliver.substr(before_body)), Strings{"1 body body"});
}

TEST_F(ConsumingTest, OwnAnswersStayHiddenWhileTheConnectionCloses) {
  Begin();
  ConsumeStream(1, {n1, n2});
  Pass(kFirstPause);
  std::string close;
  AppendClose(close, 0, AMQP_CONNECTION_CLOSE_METHOD, {200, "", 0});
  Client(close);
  EXPECT_EQ(left, std::vector<ConsumerId>{1});
  for (const std::string& line : Broker(CancelOk("c/shard-1.1"))) EXPECT_EQ(line, "0 heartbeat");
  EXPECT_EQ(Broker(Method(AMQP_CONNECTION_CLOSE_OK_METHOD, 0)), Strings{"0 connection.close-ok"});
  EXPECT_TRUE(conversation->finished());
}

TEST_F(ConsumingTest, TheEmptyNameNeverMeansAShard) {
  Begin();
  std::string passive;
  AppendPassiveDeclare(passive, 1, "logs");
  Client(passive);
  SetQueues({});
  std::string remove;
  FrameWriter(remove, 1, AMQP_BASIC_GET_METHOD).U16(0).ShortString("").U8(0).End();
  EXPECT_EQ(Client(remove), Strings{"1 basic.get logs"});
}

TEST_F(ConsumingTest, OpensNothingInTheMiddleOfAMessageOfTheClient) {
  Begin();
  ConsumeStream(0, {n1});
  std::string publish;
  FrameWriter(publish, 1, AMQP_BASIC_PUBLISH_METHOD).U16(0).ShortString("").ShortString("k").U8(0).End();
  const std::string content = Content("body");
  Client(publish + content.substr(0, content.size() - 12));
  EXPECT_EQ(Shards(1, {n1, n2}), Strings{});
  EXPECT_EQ(Client(content.substr(content.size() - 12)),
            (Strings{"1 body body", "1 basic.consume " + n2 + "|c/shard-1.2"}));
}

TEST_F(ConsumingTest, LeavesWhenTheChannelOrTheConnectionCloses) {
  Begin();
  ConsumeStream(0, {n1});
  std::string close;
  AppendClose(close, 1, AMQP_CHANNEL_CLOSE_METHOD, {200, "", 0});
  Client(close);
  EXPECT_EQ(left, std::vector<ConsumerId>{1});
  EXPECT_EQ(Broker(DeliverTo("c/shard-1.1", 1)).front(), "1 basic.deliver c 1") << "it was under way";
  EXPECT_EQ(Broker(Method(AMQP_CHANNEL_CLOSE_OK_METHOD)), Strings{"1 channel.close-ok"});
  EXPECT_EQ(conversation->tally().consumers, 0u);
}

}  // namespace
}  // namespace warren::gateway
