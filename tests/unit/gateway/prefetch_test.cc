// The client's prefetch, split over the shards of one consumer.
#include <algorithm>

#include "proxy/gateway/subscriptions.h"
#include "talk.h"

namespace warren::gateway {
namespace {

class PrefetchTest : public Talk {
 protected:
  const std::string n1 = ShardOn("n1"), n2 = ShardOn("n2"), n3 = ShardOn("n3");
};

TEST_F(PrefetchTest, IsDividedAndThenRestored) {
  Begin();
  std::string bytes;
  AppendQos(bytes, 1, 10);
  Client(bytes + ConsumeOf(kExchange, "c"));
  EXPECT_EQ(Shards(1, {n1, n2, n3}), (Strings{"1 basic.qos 4", "1 basic.consume " + n1 + "|c/shard-1.1",
                                              "1 basic.qos 3", "1 basic.consume " + n2 + "|c/shard-1.2",
                                              "1 basic.consume " + n3 + "|c/shard-1.3", "1 basic.qos 10"}));
  std::string answers;
  for (int qos = 0; qos < 4; ++qos) answers += Method(AMQP_BASIC_QOS_OK_METHOD);
  const Strings heard = Broker(answers);
  EXPECT_EQ(std::count(heard.begin(), heard.end(), "1 basic.qos-ok"), 1) << "the client asked once";
}

TEST_F(PrefetchTest, DoesNotCountForConsumersThatDoNotAcknowledge) {
  Begin();
  std::string bytes;
  AppendQos(bytes, 1, 1);
  Client(bytes + ConsumeOf(kExchange, "c", Consume::kNoAck));
  EXPECT_EQ(TagsIn(Shards(1, {n1, n2, n3})).size(), 3u);
}

TEST_F(PrefetchTest, OneAtATimeGoesRoundWhenNothingComes) {
  Begin();
  ConsumeStream(1, {n1, n2});
  EXPECT_EQ(Pass(kFirstPause), Strings{"1 basic.cancel c/shard-1.1"});
  Broker(CancelOk("c/shard-1.1"));
  EXPECT_EQ(to_broker, Strings{"1 basic.consume " + n2 + "|c/shard-1.2"});
}

TEST_F(PrefetchTest, NoOtherShardIsOpenedWhileAMessageIsInTheClientsHands) {
  Begin();
  ConsumeStream(1, {n1, n2});
  Broker(DeliverTo("c/shard-1.1", 1));
  EXPECT_EQ(Pass(kFirstPause), Strings{}) << "it is busy";
  EXPECT_EQ(Pass(kTurn), Strings{"1 basic.cancel c/shard-1.1"}) << "others have their turn";
  Broker(CancelOk("c/shard-1.1"));
  EXPECT_EQ(to_broker, Strings{});
  EXPECT_EQ(Client(Ack(1)), (Strings{"1 basic.ack", "1 basic.consume " + n2 + "|c/shard-1.2"}));
}

TEST_F(PrefetchTest, AcknowledgementsCountOnceATransactionIsCommitted) {
  Begin();
  ConsumeStream(1, {n1, n2});
  Client(Method(AMQP_TX_SELECT_METHOD));
  Broker(DeliverTo("c/shard-1.1", 1));
  Pass(kTurn);
  Broker(CancelOk("c/shard-1.1"));
  EXPECT_EQ(Client(Ack(1)), Strings{"1 basic.ack"});
  EXPECT_EQ(Client(Method(AMQP_TX_ROLLBACK_METHOD)), Strings{"1 tx.rollback"});
  EXPECT_EQ(Client(Ack(1)), Strings{"1 basic.ack"});
  EXPECT_EQ(Client(Method(AMQP_TX_COMMIT_METHOD)), (Strings{"1 tx.commit", "1 basic.consume " + n2 + "|c/shard-1.2"}));
}

TEST_F(PrefetchTest, WhatComesWhileTheBrokerIsAskedToRecoverIsNotTheClientsForEver) {
  Begin();
  ConsumeStream(1, {n1, n2});
  std::string recover;
  FrameWriter(recover, 1, AMQP_BASIC_RECOVER_METHOD).U8(1).End();
  Client(recover);
  Broker(DeliverTo("c/shard-1.1", 1));  // It was under way, and is given back like the others.
  Broker(Method(AMQP_BASIC_RECOVER_OK_METHOD) + DeliverTo("c/shard-1.1", 2));
  Pass(kTurn);
  Broker(CancelOk("c/shard-1.1"));
  EXPECT_EQ(to_broker, Strings{});
  EXPECT_EQ(Client(Ack(2)), (Strings{"1 basic.ack", "1 basic.consume " + n2 + "|c/shard-1.2"}));
}

TEST_F(PrefetchTest, RecoverGivesBackWhatATransactionHasNotAcknowledged) {
  for (const bool multiple : {false, true}) {
    joined.clear();
    Begin();
    ConsumeStream(2, {n1, n2, n3});
    Client(Method(AMQP_TX_SELECT_METHOD));
    Broker(DeliverTo("c/shard-1.1", 1) + DeliverTo("c/shard-1.2", 2));
    std::string recover;
    FrameWriter(recover, 1, AMQP_BASIC_RECOVER_METHOD).U8(1).End();
    Client(Ack(1, multiple) + recover);
    Pass(kTurn);
    Broker(CancelOk("c/shard-1.1") + CancelOk("c/shard-1.2"));
    EXPECT_EQ(TagsIn(to_broker), Strings{"c/shard-1.3"}) << "the acknowledged one counts until the commit";
    EXPECT_EQ(TagsIn(Client(Method(AMQP_TX_COMMIT_METHOD))), Strings{"c/shard-1.4"});
  }
}

TEST_F(PrefetchTest, ANewShardTakesPartOfALargerShare) {
  Begin();
  ConsumeStream(4, {n1});
  EXPECT_EQ(Shards(1, {n1, n2}), Strings{"1 basic.cancel c/shard-1.1"});
  Broker(CancelOk("c/shard-1.1"));
  EXPECT_EQ(to_broker, (Strings{"1 basic.qos 2", "1 basic.consume " + n1 + "|c/shard-1.2",
                                "1 basic.consume " + n2 + "|c/shard-1.3", "1 basic.qos 4"}));
}

}  // namespace
}  // namespace warren::gateway
