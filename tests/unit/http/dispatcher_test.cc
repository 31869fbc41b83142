// The dispatcher while connections stand: answers, returns, nacks, deadlines, dead letters, alarms.
#include "tests/unit/http/dispatcher_fixture.h"

namespace warren::proxy {
namespace {

TEST_F(DispatcherTest, GivesEachRequestItsAnswer) {
  Up();
  Submit(1);
  Submit(2);
  ASSERT_EQ(transport_.messages.size(), 2u);
  EXPECT_NE(Token(0), Token(1));
  EXPECT_EQ(transport_.messages[0].routing_key, "key-1");
  EXPECT_EQ(transport_.messages[0].expiration, Milliseconds(30'000));
  Reply(Token(1), "two");
  EXPECT_EQ(Status(1), 0);
  EXPECT_EQ(std::get<wire::Response>(sink_->answers.at(2).answer).body, "two");
  Reply(Token(0));
  EXPECT_EQ(Status(1), 200);
  EXPECT_EQ(dispatcher_.in_flight(), 0u);
}

TEST_F(DispatcherTest, DropsAndCountsRepliesThatNobodyWaitsFor) {
  Up();
  Submit(1);
  Reply(Token(0));
  Reply(Token(0));
  Reply("0123456789abcdef0123456789abcdef");
  Reply("rubbish");
  EXPECT_EQ(stats_.unknown_replies, 3u);
  EXPECT_EQ(sink_->answers.size(), 1u);
}

TEST_F(DispatcherTest, Answers502WhenTheReplyIsNoResponse) {
  Up();
  Submit(1);
  amqp_basic_properties_t properties{};
  properties._flags = AMQP_BASIC_CORRELATION_ID_FLAG;
  properties.correlation_id = amqp::Bytes(Token(0));
  dispatcher_.OnReply(now_, properties, "", /*damaged=*/true);
  EXPECT_EQ(Status(1), 502);
  EXPECT_EQ(stats_.malformed_replies, 1u);
}

TEST_F(DispatcherTest, Answers504AtTheDeadlineAndNotBefore) {
  Up();
  Submit(1);
  Pass(Milliseconds(29'990));
  EXPECT_EQ(Status(1), 0);
  Pass(Milliseconds(10));
  EXPECT_EQ(Status(1), 504);
  Reply(Token(0));
  EXPECT_EQ(stats_.unknown_replies, 1u);
}

TEST_F(DispatcherTest, Answers503AtOnceWhenReturned) {
  Up();
  Submit(1, "POST");
  dispatcher_.OnReturn(now_, Token(0));
  EXPECT_EQ(Status(1), 503);
  EXPECT_TRUE(RetryLater(1));
  dispatcher_.OnConfirm(now_, 1, true);  // The broker confirms a returned message too.
  EXPECT_EQ(sink_->answers.size(), 1u);
}

TEST_F(DispatcherTest, PublishesANackedSafeRequestAgainUnderTheSameKey) {
  Up();
  Submit(1);
  dispatcher_.OnConfirm(now_, 1, false);
  Pass(Milliseconds(100));
  ASSERT_EQ(transport_.messages.size(), 2u);
  EXPECT_EQ(transport_.messages[1].routing_key, "key-1");
  EXPECT_LT(transport_.messages[1].expiration, Milliseconds(30'000));
  Reply(Token(0));  // A nacked message may have been delivered all the same.
  EXPECT_EQ(Status(1), 200);
  EXPECT_EQ(sink_->answers.at(1).publishings, 2);
  Reply(Token(1));
  EXPECT_EQ(stats_.unknown_replies, 1u);
}

TEST_F(DispatcherTest, Answers502WhenANackedRequestIsNotSafe) {
  Up();
  Submit(1, "POST");
  dispatcher_.OnConfirm(now_, 1, false);
  EXPECT_EQ(Status(1), 0);  // Its answer or its dead letter may be on their way.
  Pass(Milliseconds(260));
  EXPECT_EQ(Status(1), 502);
  EXPECT_EQ(transport_.messages.size(), 1u);
}

TEST_F(DispatcherTest, GivesUpANackedRequestAfterAFewTries) {
  Up();
  Submit(1);
  for (std::uint64_t sequence = 1; sequence <= Dispatcher::kMaxPublishings; ++sequence) {
    ASSERT_EQ(transport_.messages.size(), sequence);
    dispatcher_.OnConfirm(now_, sequence, false);
    Pass(Milliseconds(1'000));
  }
  EXPECT_EQ(Status(1), 503);
  EXPECT_TRUE(RetryLater(1));
  EXPECT_EQ(transport_.messages.size(), Dispatcher::kMaxPublishings);
}

TEST_F(DispatcherTest, FollowsConfirmsThatComeOutOfOrder) {
  Up();
  for (std::uint64_t tag = 1; tag <= 4; ++tag) Submit(tag, "POST");
  dispatcher_.OnConfirm(now_, 3, true);
  dispatcher_.OnConfirm(now_, 1, true);
  dispatcher_.OnConfirm(now_, 2, false);
  dispatcher_.OnConfirm(now_, 4, true);
  dispatcher_.OnConfirm(now_, 4, true);
  dispatcher_.OnConfirm(now_, 99, false);
  Pass(Milliseconds(300));
  EXPECT_EQ(Status(2), 502);
  EXPECT_EQ(sink_->answers.size(), 1u);
  Submit(5, "POST");
  dispatcher_.OnConfirm(now_, 5, false);
  Pass(Milliseconds(300));
  EXPECT_EQ(Status(5), 502);
}

TEST_F(DispatcherTest, TurnsDeadLettersIntoPreciseAnswers) {
  Up();
  for (std::uint64_t tag = 1; tag <= 4; ++tag) Submit(tag);
  dispatcher_.OnDeadLetter(Token(0), "rejected");
  dispatcher_.OnDeadLetter(Token(1), "maxlen");
  dispatcher_.OnDeadLetter(Token(2), "delivery_limit");
  dispatcher_.OnDeadLetter(Token(3), "expired");
  EXPECT_EQ(Status(1), 502);
  EXPECT_EQ(Status(2), 503);
  EXPECT_EQ(Status(3), 502);
  EXPECT_EQ(Status(4), 504);
}

TEST_F(DispatcherTest, IgnoresAFullQueueWhenAnotherCopyGotFurther) {
  Up();
  Submit(1);
  dispatcher_.OnNodeLost(now_);
  Pass(Milliseconds(1'000));
  ASSERT_EQ(transport_.messages.size(), 2u);
  dispatcher_.OnDeadLetter(Token(1), "maxlen");
  EXPECT_EQ(Status(1), 0);
  Reply(Token(0));
  EXPECT_EQ(Status(1), 200);
}

TEST_F(DispatcherTest, SaysThatTheQueueIsFullWhenTheNackComesFirst) {
  Up();
  Submit(1, "POST");
  dispatcher_.OnConfirm(now_, 1, false);  // reject-publish-dlx: a nack and a dead letter.
  dispatcher_.OnDeadLetter(Token(0), "maxlen");
  EXPECT_EQ(Status(1), 503);
}

TEST_F(DispatcherTest, PublishesNothingWhileTheBrokerBlocks) {
  Up();
  Submit(1);
  dispatcher_.OnConfirm(now_, 1, true);
  dispatcher_.OnNodeLost(now_);
  dispatcher_.OnBlocked(true);
  Pass(Milliseconds(2'000));
  EXPECT_EQ(transport_.messages.size(), 1u);
  EXPECT_EQ(Status(1), 0);
  dispatcher_.OnBlocked(false);
  Pass(Milliseconds(20));
  EXPECT_EQ(transport_.messages.size(), 2u);
}

TEST_F(DispatcherTest, Answers503WhileTheBrokerBlocks) {
  Up();
  Submit(1, "POST");
  dispatcher_.OnConfirm(now_, 1, true);
  Submit(2);
  Submit(3, "POST");
  dispatcher_.OnBlocked(true);
  EXPECT_EQ(Status(1), 0);    // With a worker already.
  EXPECT_EQ(Status(2), 503);  // In front of the door, and safe to send again.
  EXPECT_EQ(Status(3), 0);    // May still be carried out: its own deadline decides.
  Submit(4);
  EXPECT_EQ(Status(4), 503);
  EXPECT_TRUE(RetryLater(4));
  dispatcher_.OnBlocked(false);
  Submit(5);
  EXPECT_EQ(Status(5), 0);
}

TEST_F(DispatcherTest, Answers503WithoutConsumersOnlyWhenTold) {
  Up();
  Submit(1);
  EXPECT_EQ(Status(1), 0);
  dispatcher_.SetNoConsumers(true);
  Submit(2);
  EXPECT_EQ(Status(2), 503);
  dispatcher_.SetNoConsumers(false);
  Submit(3);
  EXPECT_EQ(Status(3), 0);
}

TEST_F(DispatcherTest, Answers431WhenTheHeadFitsNoFrame) {
  Up();
  transport_.refuse = Error{ErrorCode::kInvalid, "too large", ""};
  Submit(1);
  EXPECT_EQ(Status(1), 431);
}

TEST_F(DispatcherTest, ForgetsAbandonedRequests) {
  Up();
  const auto id = Submit(1);
  dispatcher_.Abandon(id);
  EXPECT_EQ(dispatcher_.in_flight(), 0u);
  Reply(Token(0));
  EXPECT_EQ(stats_.unknown_replies, 1u);
  Submit(2);  // Takes the same slot.
  dispatcher_.Abandon(id);
  Reply(Token(1));
  EXPECT_EQ(Status(2), 200);
  EXPECT_EQ(Status(1), 0);
}

TEST_F(DispatcherTest, KeepsNoBodyOfARequestThatIsOver) {
  Up();
  Job job;
  job.request.method = "PUT";
  job.request.retry_safe = true;
  job.request.body.assign(1 << 20, 'x');
  dispatcher_.Submit(now_, std::move(job), sink_, 1);
  Reply(Token(0));
  Job next;
  dispatcher_.Submit(now_, std::move(next), sink_, 2);
  EXPECT_LT(next.request.body.capacity(), 1'000u) << "the memory of the first is handed to the next";  // NOLINT
}

TEST_F(DispatcherTest, AReturnedRequestIsNoLongerOneThatMayHaveBeenLost) {
  Up();
  Submit(1, "POST");
  dispatcher_.OnNodeLost(now_);
  Pass(Milliseconds(4'000));
  dispatcher_.OnReturn(now_, Token(0));
  Pass(Milliseconds(3'000));
  EXPECT_EQ(Status(1), 0) << "it waits for a shard";
}

}  // namespace
}  // namespace warren::proxy
