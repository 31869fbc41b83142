// What passes, what is refused, and how a conversation ends.
#include <algorithm>

#include "talk.h"

namespace warren::gateway {
namespace {

class ConversationTest : public Talk {
 protected:
  static std::string OnQueue(MethodId method, const std::string& queue) {
    std::string bytes;
    FrameWriter frame(bytes, 1, method);
    frame.U16(0).ShortString(queue);
    if (method == AMQP_QUEUE_BIND_METHOD) frame.ShortString("e").ShortString("k").U8(0).U32(0);
    if (method == AMQP_QUEUE_UNBIND_METHOD) frame.ShortString("e").ShortString("k").U32(0);
    if (method == AMQP_QUEUE_DELETE_METHOD || method == AMQP_QUEUE_PURGE_METHOD) frame.U8(0);
    if (method == AMQP_BASIC_GET_METHOD) frame.U8(0);
    if (method == AMQP_QUEUE_DECLARE_METHOD) frame.U8(0).U32(0);
    frame.End();
    return bytes;
  }
  static std::string Passive(const std::string& queue) {
    std::string bytes;
    AppendPassiveDeclare(bytes, 1, queue);
    return bytes;
  }
  static std::string Declared(const std::string& queue, std::uint32_t messages, std::uint32_t consumers) {
    std::string bytes;
    AppendDeclared(bytes, 1, {queue, messages, consumers});
    return bytes;
  }
};

TEST_F(ConversationTest, LearnsUserAndVirtualHostAndAsksForCancelNotices) {
  Begin({}, false);
  EXPECT_EQ(conversation->user(), "ann");
  EXPECT_EQ(conversation->vhost(), "/");
  EXPECT_TRUE(left.empty());
}

TEST_F(ConversationTest, PassesWhatIsNoStreamsBusinessUntouched) {
  Begin();
  std::string bytes;
  FrameWriter(bytes, 1, AMQP_BASIC_PUBLISH_METHOD).U16(0).ShortString("e").ShortString("k").U8(0).End();
  bytes += Content("hello") + OnQueue(AMQP_QUEUE_DECLARE_METHOD, "mine") + ConsumeOf("mine", "t");
  Output out;
  EXPECT_EQ(conversation->FromClient(bytes, now, out), bytes.size());
  EXPECT_EQ(out.to_broker, bytes);
  EXPECT_EQ(out.to_client, "");
}

TEST_F(ConversationTest, PassesFramesHoweverTheyArrive) {
  Begin();
  const std::string bytes = OnQueue(AMQP_QUEUE_DECLARE_METHOD, "mine") + ConsumeOf("mine", "t");
  std::string passed, kept;
  for (const char byte : bytes) {
    Output out;
    kept += byte;
    kept.erase(0, conversation->FromClient(kept, now, out));
    passed += out.to_broker;
  }
  EXPECT_EQ(passed, bytes);
}

TEST_F(ConversationTest, LeavesWhatIsNoAmqpToTheBroker) {
  Begin();
  const std::string rubbish = std::string("\x01\0\x01\xff\xff\xff\xff", 7) + "rubbish";
  Output out;
  EXPECT_EQ(conversation->FromClient(rubbish, now, out), rubbish.size());
  EXPECT_EQ(out.to_broker, rubbish);
  EXPECT_EQ(conversation->tally().protocol_errors, 1u);
}

TEST_F(ConversationTest, UnderstandsFramesAsLongAsTheBrokerDoes) {
  for (const std::size_t excess : {0u, 8u, 9u}) {
    joined.clear();
    Begin();
    std::string bytes;
    FrameWriter(bytes, 1, AMQP_BASIC_PUBLISH_METHOD).U16(0).ShortString("e").ShortString("k").U8(0).End();
    bytes += Content(std::string(131'072 - amqp::kFrameOverheadBytes + excess, 'x')) + ConsumeOf("logs", "c");
    Output out;
    EXPECT_EQ(conversation->FromClient(bytes, now, out), bytes.size());
    EXPECT_EQ(joined.size(), excess <= 8 ? 1u : 0u) << excess;
    EXPECT_EQ(conversation->tally().protocol_errors, excess <= 8 ? 0u : 1u) << excess;
  }
}

TEST_F(ConversationTest, SaysNothingOfItsOwnAmongBytesThatAreNoFrames) {
  Begin();
  ConsumeStream(1, {ShardOn("n1"), ShardOn("n2")});
  Broker(DeliverTo("c/shard-1.1", 1));
  Output out;
  conversation->FromClient(std::string("\x01\0\x01\xff\xff\xff\xff", 7), now, out);
  EXPECT_EQ(Shards(1, {ShardOn("n3")}), Strings{});
  EXPECT_EQ(Pass(std::chrono::seconds(5)), Strings{});
  EXPECT_EQ(Shards(1, {}, false), Strings{});
  out = {};
  conversation->Shutdown("the gateway shuts down", now, out);
  EXPECT_EQ(out.to_broker, "");
  EXPECT_EQ(Lines(out.to_client), Strings{"0 connection.close 320 CONNECTION_FORCED - the gateway shuts down"});
}

TEST_F(ConversationTest, PassesAnotherProtocolsHeaderAndTheBrokersAnswer) {
  conversation = std::make_unique<Conversation>(ConversationOptions{}, *this);
  Output out;
  EXPECT_EQ(conversation->FromClient("GET / HTTP/1.1\r\n", now, out), 16u);
  EXPECT_EQ(out.to_broker, "GET / HTTP/1.1\r\n");
  const std::string header("AMQP\0\0\x09\x01", 8);
  EXPECT_EQ(conversation->FromBroker(header, now, out), 8u);
  EXPECT_EQ(out.to_client, header);
}

TEST_F(ConversationTest, RefusesWhatWouldChangeAStream) {
  for (const auto& [method, verb] :
       std::vector<std::pair<MethodId, std::string>>{{AMQP_QUEUE_DECLARE_METHOD, "declare"},
                                                     {AMQP_QUEUE_BIND_METHOD, "bind"},
                                                     {AMQP_QUEUE_UNBIND_METHOD, "unbind"},
                                                     {AMQP_QUEUE_DELETE_METHOD, "delete"},
                                                     {AMQP_QUEUE_PURGE_METHOD, "purge"}}) {
    Begin();
    EXPECT_EQ(Client(OnQueue(method, "logs")), Strings{"1 channel.close 200 "});
    EXPECT_EQ(to_client, Strings{"1 channel.close 406 PRECONDITION_FAILED - cannot " + verb +
                                 " queue 'logs' in vhost '/': it stands for the shards of stream 'shard.logs'"});
  }
}

TEST_F(ConversationTest, ARefusedChannelIsDeafUntilBothHaveClosedIt) {
  Begin();
  Client(OnQueue(AMQP_QUEUE_DELETE_METHOD, kExchange));
  EXPECT_EQ(Client(OnQueue(AMQP_QUEUE_DECLARE_METHOD, "mine")), Strings{"0 heartbeat"});
  std::string reopen;
  FrameWriter(reopen, 1, AMQP_CHANNEL_OPEN_METHOD).ShortString("").End();
  EXPECT_EQ(Client(Method(AMQP_CHANNEL_CLOSE_OK_METHOD) + reopen), Strings{});
  EXPECT_TRUE(conversation->stalled()) << "the broker has not closed it yet";
  Broker(Method(AMQP_CHANNEL_CLOSE_OK_METHOD));
  EXPECT_EQ(to_broker, Strings{"1 channel.open"});
  EXPECT_EQ(conversation->tally().channels, 1u);
}

TEST_F(ConversationTest, ARefusalWaitsForTheEndOfAMessageToTheClient) {
  Begin();
  const std::string deliver = DeliverTo("ordinary", 1, "body");
  const std::string method_and_header = deliver.substr(0, deliver.size() - 12);
  Broker(method_and_header);
  Client(OnQueue(AMQP_QUEUE_DELETE_METHOD, kExchange));
  EXPECT_EQ(to_client, Strings{});
  EXPECT_EQ(Broker(deliver.substr(method_and_header.size())).front(), "1 body body");
  ASSERT_EQ(to_client.size(), 2u);
  EXPECT_TRUE(to_client.back().starts_with("1 channel.close 406"));
}

TEST_F(ConversationTest, SumsUpAPassiveDeclareUnderTheNameAskedFor) {
  Begin();
  EXPECT_EQ(Client(Passive("logs")), (Strings{"1 queue.declare " + ShardOn("n1"), "1 queue.declare " + ShardOn("n2"),
                                              "1 queue.declare " + ShardOn("n3")}));
  EXPECT_EQ(Broker(Declared(ShardOn("n1"), 5, 1) + Declared(ShardOn("n2"), 7, 0)), Strings{"0 heartbeat"});
  EXPECT_EQ(Broker(Declared(ShardOn("n3"), 1, 2)), Strings{"1 queue.declare-ok logs 13 3"});
}

TEST_F(ConversationTest, TellsItsOwnRepliesFromTheClients) {
  Begin();
  Client(Passive("mine") + Passive("logs") + Passive("yours"));
  EXPECT_EQ(Broker(Declared("mine", 1, 1)), Strings{"1 queue.declare-ok mine 1 1"});
  for (const char* node : {"n1", "n2"}) Broker(Declared(ShardOn(node), 0, 0));
  EXPECT_EQ(Broker(Declared(ShardOn("n3"), 0, 0) + Declared("yours", 2, 2)),
            (Strings{"1 queue.declare-ok logs 0 0", "1 queue.declare-ok yours 2 2"}));
}

TEST_F(ConversationTest, AcceptsDeclareAndPurgeWhereTheyAreAllowed) {
  Begin({.accept_declare = true, .accept_purge = true});
  EXPECT_EQ(Client(OnQueue(AMQP_QUEUE_DECLARE_METHOD, "logs")).size(), 3u);
  for (const char* node : {"n1", "n2", "n3"}) Broker(Declared(ShardOn(node), 1, 0));
  EXPECT_EQ(to_client, Strings{"1 queue.declare-ok logs 3 0"});
  // The empty name is the one declared last.
  EXPECT_EQ(Client(OnQueue(AMQP_QUEUE_PURGE_METHOD, "")).size(), 3u);
  std::string purged;
  for (int shard = 0; shard < 3; ++shard) AppendPurged(purged, 1, 2);
  EXPECT_EQ(Broker(purged).back(), "1 queue.purge-ok 6");
}

TEST_F(ConversationTest, GetsFromLocalShardsFirstAndThenFromThoseOfNobody) {
  Begin();
  EXPECT_EQ(Client(OnQueue(AMQP_BASIC_GET_METHOD, "logs") + Passive("mine")), Strings{"1 basic.get " + ShardOn("n1")});
  EXPECT_TRUE(conversation->stalled()) << "answers come in the order of the questions";
  Broker(Method(AMQP_BASIC_GET_EMPTY_METHOD));
  EXPECT_EQ(to_broker, Strings{"1 basic.get " + ShardOn("n2")});
  Broker(Method(AMQP_BASIC_GET_EMPTY_METHOD));
  EXPECT_EQ(to_broker, Strings{"1 basic.get " + ShardOn("n3")});
  EXPECT_EQ(Broker(Method(AMQP_BASIC_GET_EMPTY_METHOD)), Strings{"1 basic.get-empty"});
  EXPECT_EQ(to_broker, Strings{"1 queue.declare mine"});
}

TEST_F(ConversationTest, KeepsTheBrokerFromTakingAWaitForTheClientsEnd) {
  using std::chrono::seconds;
  Begin();  // With a heartbeat of 60 s.
  EXPECT_EQ(conversation->next(), std::nullopt);
  Client(ConsumeOf("logs", "c"));
  ASSERT_TRUE(conversation->stalled());
  EXPECT_EQ(Pass(seconds(29)), Strings{});
  for (int minutes = 0; minutes < 10; ++minutes) {
    EXPECT_EQ(Pass(seconds(30)), Strings{"0 heartbeat"});
    EXPECT_EQ(Pass(seconds(30)), Strings{"0 heartbeat"});
    conversation->HeardClient(now);
  }
  Shards(1, {ShardOn("n1")});
  Broker(ConsumeOk("c/shard-1.1"));
  EXPECT_FALSE(conversation->stalled());
  EXPECT_EQ(conversation->next(), std::nullopt) << "the client's own are passed on again";
}

TEST_F(ConversationTest, DoesNotKeepAClientAliveThatIsNotHeard) {
  Begin();
  Client(ConsumeOf("logs", "c"));
  int beats = 0;
  while (conversation->next() && beats < 100) {
    now = *conversation->next();
    EXPECT_EQ(Pass(std::chrono::seconds(0)), Strings{"0 heartbeat"});
    ++beats;
  }
  EXPECT_EQ(beats, 6) << "three intervals";
  EXPECT_EQ(Pass(std::chrono::seconds(60)), Strings{});
}

TEST_F(ConversationTest, TellsTheClientThatItsNodeIsLost) {
  Begin();
  Output out;
  conversation->OnBrokerLost("the connection to node n1 was lost", now, out);
  EXPECT_EQ(Lines(out.to_client),
            Strings{"0 connection.close 320 CONNECTION_FORCED - the connection to node n1 was lost"});
  EXPECT_FALSE(conversation->finished());
  Client(Method(AMQP_CONNECTION_CLOSE_OK_METHOD, 0));
  EXPECT_TRUE(conversation->finished());
}

TEST_F(ConversationTest, IsAsSilentAsTheBrokerAfterWhatItDropsConnectionsFor) {
  std::string unknown, table;
  FrameWriter(unknown, 1, 0x3c0fff).End();
  const std::string_view entry(
      "\x00\x00\x00\x03\x01"
      "a\x07",
      7);
  FrameWriter(table, 1, AMQP_QUEUE_DECLARE_METHOD).U16(0).ShortString("mine").U8(0).Raw(entry).End();
  for (const std::string& fatal : {unknown, table}) {
    Begin();
    Output out;
    EXPECT_EQ(conversation->FromClient(fatal, now, out), fatal.size());
    EXPECT_EQ(out.to_broker, fatal);
    out = {};
    conversation->OnBrokerLost("the connection to node n1 was lost", now, out);
    EXPECT_EQ(out.to_client, "");
    EXPECT_TRUE(conversation->finished());
  }
}

TEST_F(ConversationTest, DoesNotWaitForEverForTheClientsLastWord) {
  Begin();
  Output out;
  conversation->Shutdown("the gateway shuts down", now, out);
  EXPECT_FALSE(conversation->finished());
  ASSERT_TRUE(conversation->next());
  Pass(std::chrono::seconds(4));
  EXPECT_TRUE(conversation->finished());
}

TEST_F(ConversationTest, SaysNothingWhenTheBrokerHasSaidIt) {
  Begin();
  std::string close;
  AppendClose(close, 0, AMQP_CONNECTION_CLOSE_METHOD, {320, "CONNECTION_FORCED - shutdown", 0});
  EXPECT_EQ(Broker(close), Strings{"0 connection.close 320 CONNECTION_FORCED - shutdown"});
  Output out;
  conversation->OnBrokerLost("end of file", now, out);
  EXPECT_EQ(out.to_client, "");
  EXPECT_TRUE(conversation->finished());
}

TEST_F(ConversationTest, OffersNoMoreChannelsThanAllowed) {
  conversation = std::make_unique<Conversation>(ConversationOptions{.max_channels = 10}, *this);
  std::string tune;
  AppendTune(tune, {2047, 131'072, 60});
  Output out;
  conversation->FromBroker(tune, now, out);
  const auto frame = amqp::SplitFrame(out.to_client, 4096);
  const auto offered = ReadTune((*frame)->payload.substr(4));
  ASSERT_TRUE(offered);
  EXPECT_EQ(offered->channel_max, 10);
  EXPECT_EQ(offered->frame_max, 131'072u);
}

TEST_F(ConversationTest, ClosesAConnectionThatAsksForTooMuchMemory) {
  Begin({.max_memory_bytes = 64 << 10});
  int tags = 0;
  do {
    Client(ConsumeOf("mine", "tag" + std::to_string(++tags)));
  } while (to_client.empty() && tags < 2'000);
  ASSERT_EQ(to_client.size(), 1u);
  EXPECT_TRUE(to_client.front().starts_with("0 connection.close 506 RESOURCE_ERROR"));
  EXPECT_LT(conversation->memory_bytes(), 80u << 10);
}

TEST_F(ConversationTest, ClosesAConnectionThatAsksForTooMuchInOnePiece) {
  Strings shards;
  for (int index = 0; index < 100; ++index) shards.push_back(ShardOn("n1", index));
  SetQueues(shards);
  for (const bool purge : {false, true}) {
    Begin({.accept_purge = true});
    const std::string one = purge ? OnQueue(AMQP_QUEUE_PURGE_METHOD, "logs") : Passive("logs");
    std::string bytes;
    for (int times = 0; times < 5'000; ++times) bytes += one;
    Output out;
    EXPECT_EQ(conversation->FromClient(bytes, now, out), bytes.size());
    EXPECT_TRUE(Lines(out.to_client).front().starts_with("0 connection.close 506 RESOURCE_ERROR"));
    EXPECT_LT(out.to_broker.size(), 8u << 20);
    EXPECT_EQ(Lines(out.to_broker).back().substr(0, 18), "0 connection.close");
    out = {};
    conversation->FromClient(Method(AMQP_CONNECTION_CLOSE_OK_METHOD, 0), now, out);
    EXPECT_TRUE(conversation->finished());
  }
}

}  // namespace
}  // namespace warren::gateway
