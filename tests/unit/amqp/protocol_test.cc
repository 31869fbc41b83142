// The protocol machine against a scripted broker: frames in, frames out, no socket.
#include "shardmgr/broker/amqp/protocol.h"

#include <gtest/gtest.h>

#include "shardmgr/broker/amqp/channel_state.h"

namespace warren::amqp {
namespace {

using namespace std::chrono_literals;

class ProtocolTest : public testing::Test {
 protected:
  ProtocolTest() {
    ConnectionOptions options;
    options.name = "test";
    options.max_message_bytes = 1'000;
    protocol_ =
        std::make_unique<Protocol>(options, Protocol::Events{.on_open = [this] { opened_ = true; },
                                                             .on_over = [this](const Error& error) { over_ = error; },
                                                             .on_blocked =
                                                                 [this](bool blocked, std::string_view why) {
                                                                   blocked_ = {blocked, std::string(why)};
                                                                 },
                                                             .on_output = [] {}});
    protocol_->Start(now_);
  }

  void Feed(std::string_view bytes) {
    inbox_.append(bytes);
    inbox_.erase(0, protocol_->Feed(inbox_, now_));
    protocol_->RunDeferred();
  }

  template <class T>
  void Reply(std::uint16_t channel, amqp_method_number_t id, T method) {
    std::string bytes;
    ASSERT_TRUE(AppendMethod(bytes, channel, id, &method, 131'072));
    Feed(bytes);
  }

  void Content(std::uint16_t channel, std::string_view body) {
    std::string bytes;
    ASSERT_TRUE(AppendContent(bytes, channel, amqp_basic_properties_t{}, body, 131'072));
    Feed(bytes);
  }

  // The method numbers the machine has sent since the last call.
  std::vector<amqp_method_number_t> Sent() {
    std::string bytes;
    protocol_->TakeOutput(bytes, now_);
    std::string_view rest = bytes;
    if (rest.substr(0, 4) == "AMQP") rest.remove_prefix(8);
    std::vector<amqp_method_number_t> methods;
    while (!rest.empty()) {
      const auto frame = SplitFrame(rest, 131'072);
      Pool pool;
      if ((*frame)->type == FrameType::kHeartbeat) methods.push_back(0);
      if ((*frame)->type == FrameType::kMethod) methods.push_back(DecodeMethod((*frame)->payload, pool)->id);
      rest.remove_prefix(FrameBytes(**frame));
    }
    return methods;
  }

  void OpenConnection() {
    Reply(0, AMQP_CONNECTION_START_METHOD,
          amqp_connection_start_t{0, 9, amqp_empty_table, Bytes("PLAIN AMQPLAIN"), Bytes("en_US")});
    Reply(0, AMQP_CONNECTION_TUNE_METHOD, amqp_connection_tune_t{2'047, 131'072, 60});
    Reply(0, AMQP_CONNECTION_OPEN_OK_METHOD, amqp_connection_open_ok_t{});
    ASSERT_TRUE(opened_);
  }

  std::shared_ptr<ChannelState> OpenChannel() {
    auto channel = protocol_->OpenChannel();
    Reply(1, AMQP_CHANNEL_OPEN_OK_METHOD, amqp_channel_open_ok_t{});
    Sent();
    return channel;
  }

  std::uint64_t Publish(ChannelState& channel) {
    amqp_basic_publish_t method{0, Bytes("e"), Bytes("k"), true, false};
    return channel.Publish(method, amqp_basic_properties_t{}, "body").value_or(9'999);
  }

  Protocol::Time now_{1h};
  std::string inbox_;
  bool opened_ = false;
  std::optional<Error> over_;
  std::pair<bool, std::string> blocked_;
  std::unique_ptr<Protocol> protocol_;
};

TEST_F(ProtocolTest, ShakesHandsAndTakesTheSmallerLimits) {
  OpenConnection();
  EXPECT_EQ(Sent(), (std::vector<amqp_method_number_t>{AMQP_CONNECTION_START_OK_METHOD, AMQP_CONNECTION_TUNE_OK_METHOD,
                                                       AMQP_CONNECTION_OPEN_METHOD}));
  EXPECT_EQ(protocol_->heartbeat(), 10s);
  EXPECT_EQ(protocol_->frame_max(), 131'072u);
}

TEST_F(ProtocolTest, TakesBytesThatDribbleInOneAtATime) {
  std::string bytes;
  amqp_connection_start_t start{0, 9, amqp_empty_table, Bytes("PLAIN"), Bytes("en_US")};
  ASSERT_TRUE(AppendMethod(bytes, 0, AMQP_CONNECTION_START_METHOD, &start, 131'072));
  for (const char c : bytes) Feed({&c, 1});
  EXPECT_EQ(Sent(), std::vector<amqp_method_number_t>{AMQP_CONNECTION_START_OK_METHOD});
}

TEST_F(ProtocolTest, SaysThatAnHttpPortIsNoBroker) {
  Feed("HTTP/1.1 400 Bad Request\r\n\r\n");
  ASSERT_TRUE(over_);
  EXPECT_EQ(over_->code, ErrorCode::kProtocol);
  EXPECT_NE(over_->message.find("is this an AMQP port"), std::string::npos) << over_->message;
}

TEST_F(ProtocolTest, TellsARefusedLogin) {
  Reply(0, AMQP_CONNECTION_START_METHOD,
        amqp_connection_start_t{0, 9, amqp_empty_table, Bytes("PLAIN"), Bytes("en_US")});
  Reply(0, AMQP_CONNECTION_CLOSE_METHOD, amqp_connection_close_t{403, Bytes("ACCESS_REFUSED"), 0, 0});
  ASSERT_TRUE(over_);
  EXPECT_EQ(over_->code, ErrorCode::kUnauthorized);
  EXPECT_NE(over_->message.find("--password-file"), std::string::npos) << "it says what to do";
}

TEST_F(ProtocolTest, SendsHeartbeatsAndEndsAfterTwoSilentIntervals) {
  OpenConnection();
  Sent();
  now_ += 6s;
  protocol_->Tick(now_);
  EXPECT_EQ(Sent(), std::vector<amqp_method_number_t>{0});
  now_ += 15s;
  protocol_->Tick(now_);
  protocol_->RunDeferred();
  ASSERT_TRUE(over_);
  EXPECT_EQ(over_->code, ErrorCode::kTimeout);
}

TEST_F(ProtocolTest, TellsOfBlockingAndItsEnd) {
  OpenConnection();
  Reply(0, AMQP_CONNECTION_BLOCKED_METHOD, amqp_connection_blocked_t{Bytes("low on memory")});
  EXPECT_EQ(blocked_, std::make_pair(true, std::string("low on memory")));
  EXPECT_TRUE(protocol_->is_blocked());
  Reply(0, AMQP_CONNECTION_UNBLOCKED_METHOD, amqp_connection_unblocked_t{});
  EXPECT_FALSE(protocol_->is_blocked());
}

TEST_F(ProtocolTest, UnfoldsMultipleConfirmsInOrder) {
  OpenConnection();
  const auto channel = OpenChannel();
  std::vector<std::pair<std::uint64_t, bool>> confirms;
  ChannelHandlers handlers;
  handlers.on_confirm = [&](std::uint64_t sequence, bool acked) { confirms.emplace_back(sequence, acked); };
  channel->SetHandlers(handlers);
  channel->StartConfirms();
  for (std::uint64_t expected = 1; expected <= 6; ++expected) EXPECT_EQ(Publish(*channel), expected);
  Reply(1, AMQP_BASIC_ACK_METHOD, amqp_basic_ack_t{2, false});
  Reply(1, AMQP_BASIC_ACK_METHOD, amqp_basic_ack_t{4, true});
  Reply(1, AMQP_BASIC_NACK_METHOD, amqp_basic_nack_t{0, true, false});
  const std::vector<std::pair<std::uint64_t, bool>> expected = {{2, true}, {1, true},  {3, true},
                                                                {4, true}, {5, false}, {6, false}};
  EXPECT_EQ(confirms, expected);
}

TEST_F(ProtocolTest, EndsOnAConfirmForNothing) {
  OpenConnection();
  const auto channel = OpenChannel();
  channel->StartConfirms();
  Reply(1, AMQP_BASIC_ACK_METHOD, amqp_basic_ack_t{1, false});
  ASSERT_TRUE(over_);
  EXPECT_EQ(over_->code, ErrorCode::kProtocol);
}

TEST_F(ProtocolTest, ChannelErrorReachesTheCallThatWaitsAndEveryOneBehindIt) {
  OpenConnection();
  const auto channel = OpenChannel();
  std::vector<ErrorCode> answers;
  std::optional<Error> closed;
  ChannelHandlers handlers;
  handlers.on_closed = [&](const Error& error) { closed = error; };
  channel->SetHandlers(handlers);
  for (int i = 0; i < 2; ++i) {
    amqp_queue_declare_t declare{0, Bytes("q"), true, false, false, false, false, amqp_empty_table};
    channel->Call(AMQP_QUEUE_DECLARE_METHOD, &declare, AMQP_QUEUE_DECLARE_OK_METHOD,
                  [&](Result<Method> reply) { answers.push_back(reply.error().code); });
  }
  Reply(1, AMQP_CHANNEL_CLOSE_METHOD, amqp_channel_close_t{404, Bytes("NOT_FOUND - no queue 'q'"), 50, 10});
  EXPECT_EQ(answers, (std::vector{ErrorCode::kNotFound, ErrorCode::kNotFound}));
  ASSERT_TRUE(closed);
  EXPECT_NE(closed->message.find("no queue 'q'"), std::string::npos);
  EXPECT_FALSE(over_) << "the connection goes on";
  EXPECT_FALSE(channel->is_open());

  amqp_basic_qos_t qos{0, 1, false};
  channel->Call(AMQP_BASIC_QOS_METHOD, &qos, AMQP_BASIC_QOS_OK_METHOD,
                [&](Result<Method> reply) { answers.push_back(reply.error().code); });
  EXPECT_EQ(answers.size(), 2u) << "never answered from inside the call";
  protocol_->RunDeferred();
  EXPECT_EQ(answers.size(), 3u);
}

TEST_F(ProtocolTest, DeliversToTheConsumerAndDropsBodiesThatAreTooLarge) {
  OpenConnection();
  const auto channel = OpenChannel();
  std::vector<std::pair<std::string, bool>> bodies;
  channel->AddConsumer("tag", [&](Delivery& delivery) { bodies.emplace_back(delivery.body, delivery.too_large); });
  for (const std::size_t size : {0, 5, 1'000, 1'001}) {
    Reply(1, AMQP_BASIC_DELIVER_METHOD, amqp_basic_deliver_t{Bytes("tag"), 1, false, Bytes("e"), Bytes("k")});
    Content(1, std::string(size, 'b'));
  }
  ASSERT_EQ(bodies.size(), 4u);
  EXPECT_EQ(bodies[0], std::make_pair(std::string(), false));
  EXPECT_EQ(bodies[2].first.size(), 1'000u);
  EXPECT_EQ(bodies[3], std::make_pair(std::string(), true));
}

TEST_F(ProtocolTest, MarksAMessageWithDangerousHeadersAndGoesOn) {
  OpenConnection();
  const auto channel = OpenChannel();
  std::vector<bool> malformed;
  channel->AddConsumer("tag", [&](Delivery& delivery) {
    malformed.push_back(delivery.malformed);
    EXPECT_EQ(delivery.properties._flags & AMQP_BASIC_HEADERS_FLAG, 0u);
  });
  nlohmann::json nested = 1;
  for (int depth = 0; depth < kMaxTableDepth; ++depth) nested = {{"k", nested}};
  const Table headers = Table::FromJson({{"outer", nested}});
  // Built by hand: our own encoder refuses to send such a message.
  amqp_basic_properties_t properties{};
  properties._flags = AMQP_BASIC_HEADERS_FLAG;
  properties.headers = headers.view();
  std::string payload("\0\x3C\0\0\0\0\0\0\0\0\0\0", 12);
  std::string encoded(4'096, '\0');
  const int size = amqp_encode_properties(AMQP_BASIC_CLASS, &properties, {encoded.size(), encoded.data()});
  ASSERT_GT(size, 0);
  payload.append(encoded, 0, static_cast<std::size_t>(size));
  std::string frame("\x02\0\x01\0\0", 5);
  frame.push_back(static_cast<char>(payload.size() >> 8));
  frame.push_back(static_cast<char>(payload.size()));
  frame += payload + '\xCE';

  Reply(1, AMQP_BASIC_DELIVER_METHOD, amqp_basic_deliver_t{Bytes("tag"), 1, false, Bytes("e"), Bytes("k")});
  Feed(frame);
  Reply(1, AMQP_BASIC_DELIVER_METHOD, amqp_basic_deliver_t{Bytes("tag"), 2, false, Bytes("e"), Bytes("k")});
  Content(1, "fine");
  EXPECT_EQ(malformed, (std::vector<bool>{true, false}));
  EXPECT_FALSE(over_);
}

TEST_F(ProtocolTest, TellsOfAConsumerThatTheBrokerCancelled) {
  OpenConnection();
  const auto channel = OpenChannel();
  std::string cancelled;
  ChannelHandlers handlers;
  handlers.on_cancelled = [&](std::string_view tag) { cancelled = tag; };
  channel->SetHandlers(handlers);
  Reply(1, AMQP_BASIC_CANCEL_METHOD, amqp_basic_cancel_t{Bytes("tag"), true});
  EXPECT_EQ(cancelled, "tag");
}

TEST_F(ProtocolTest, ReusesAChannelNumberOnlyAfterCloseOk) {
  OpenConnection();
  const auto first = OpenChannel();
  first->Close();
  const auto second = protocol_->OpenChannel();
  Reply(1, AMQP_CHANNEL_CLOSE_OK_METHOD, amqp_channel_close_ok_t{});
  Reply(2, AMQP_CHANNEL_OPEN_OK_METHOD, amqp_channel_open_ok_t{});
  const auto third = protocol_->OpenChannel();
  Reply(1, AMQP_CHANNEL_OPEN_OK_METHOD, amqp_channel_open_ok_t{});
  EXPECT_FALSE(over_);
  EXPECT_TRUE(second->is_open() && third->is_open());
}

TEST_F(ProtocolTest, AChannelThatBothSidesCloseAtOnceIsOverWhenTheBrokerHasAnswered) {
  OpenConnection();
  const auto channel = OpenChannel();
  channel->Close();
  EXPECT_EQ(Sent(), std::vector<amqp_method_number_t>{AMQP_CHANNEL_CLOSE_METHOD});
  Reply(1, AMQP_CHANNEL_CLOSE_METHOD, amqp_channel_close_t{404, Bytes("NOT_FOUND - no queue 'q'"), 50, 10});
  EXPECT_EQ(Sent(), std::vector<amqp_method_number_t>{AMQP_CHANNEL_CLOSE_OK_METHOD});
  Reply(1, AMQP_CHANNEL_CLOSE_OK_METHOD, amqp_channel_close_ok_t{});
  EXPECT_FALSE(over_) << "the connection goes on";
  const auto next = protocol_->OpenChannel();
  Reply(1, AMQP_CHANNEL_OPEN_OK_METHOD, amqp_channel_open_ok_t{});
  EXPECT_FALSE(over_);
  EXPECT_TRUE(next->is_open());
}

TEST_F(ProtocolTest, RefusesNamesThatWouldBreakTheFrame) {
  OpenConnection();
  const auto channel = OpenChannel();
  const std::string key(256, 'k');
  amqp_basic_publish_t method{0, Bytes("e"), Bytes(key), true, false};
  EXPECT_EQ(channel->Publish(method, amqp_basic_properties_t{}, "").error().code, ErrorCode::kInvalid);
  EXPECT_TRUE(Sent().empty());
}

TEST_F(ProtocolTest, SendsNothingOnAChannelThatCouldNotBeOpened) {
  Reply(0, AMQP_CONNECTION_START_METHOD,
        amqp_connection_start_t{0, 9, amqp_empty_table, Bytes("PLAIN"), Bytes("en_US")});
  Reply(0, AMQP_CONNECTION_TUNE_METHOD, amqp_connection_tune_t{1, 131'072, 60});
  Reply(0, AMQP_CONNECTION_OPEN_OK_METHOD, amqp_connection_open_ok_t{});
  const auto first = OpenChannel();
  const auto second = protocol_->OpenChannel();
  EXPECT_FALSE(second->is_open());
  std::optional<Error> answer;
  amqp_basic_qos_t qos{0, 1, false};
  second->Call(AMQP_BASIC_QOS_METHOD, &qos, AMQP_BASIC_QOS_OK_METHOD,
               [&](Result<Method> reply) { answer = reply.error(); });
  EXPECT_TRUE(Sent().empty());
  protocol_->RunDeferred();
  ASSERT_TRUE(answer);
  EXPECT_NE(answer->message.find("all 1 channels are in use"), std::string::npos);
  EXPECT_TRUE(first->is_open());
}

TEST_F(ProtocolTest, AConfirmMayDropTheHandlersItRunsIn) {
  OpenConnection();
  const auto channel = OpenChannel();
  std::vector<std::uint64_t> confirmed;
  ChannelHandlers handlers;
  handlers.on_confirm = [&confirmed, channel, own = std::string(100, 'x')](std::uint64_t sequence, bool) {
    channel->SetHandlers({});
    confirmed.push_back(sequence + own.size() - 100);
  };
  channel->SetHandlers(handlers);
  channel->StartConfirms();
  Publish(*channel);
  Publish(*channel);
  Reply(1, AMQP_BASIC_ACK_METHOD, amqp_basic_ack_t{2, true});
  EXPECT_EQ(confirmed, std::vector<std::uint64_t>{1});
}

TEST_F(ProtocolTest, ForgetTellsNobody) {
  OpenConnection();
  const auto channel = OpenChannel();
  bool told = false;
  amqp_basic_qos_t qos{0, 1, false};
  channel->Call(AMQP_BASIC_QOS_METHOD, &qos, AMQP_BASIC_QOS_OK_METHOD, [&](Result<Method>) { told = true; });
  protocol_->Forget();
  protocol_->RunDeferred();
  EXPECT_FALSE(told);
  EXPECT_FALSE(over_);
}

TEST_F(ProtocolTest, FailingReachesEveryWaitingCallOnce) {
  OpenConnection();
  const auto channel = OpenChannel();
  int told = 0;
  amqp_basic_qos_t qos{0, 1, false};
  channel->Call(AMQP_BASIC_QOS_METHOD, &qos, AMQP_BASIC_QOS_OK_METHOD, [&](Result<Method> reply) {
    EXPECT_FALSE(reply);
    ++told;
  });
  protocol_->Fail({ErrorCode::kUnavailable, "the connection was lost", {}});
  protocol_->Fail({ErrorCode::kUnavailable, "again", {}});
  EXPECT_EQ(told, 0);
  protocol_->RunDeferred();
  EXPECT_EQ(told, 1);
  ASSERT_TRUE(over_);
  EXPECT_NE(over_->context.find("test"), std::string::npos);
}

}  // namespace
}  // namespace warren::amqp
