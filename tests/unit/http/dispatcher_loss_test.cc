// The dispatcher when connections and nodes are lost, and when there is none yet.
#include "tests/unit/http/dispatcher_fixture.h"

namespace warren::proxy {
namespace {

TEST_F(DispatcherTest, HoldsRequestsForAConnectionThatComesSoon) {
  Submit(1);
  EXPECT_TRUE(transport_.messages.empty());
  Pass(Milliseconds(1'500));
  Up();
  ASSERT_EQ(transport_.messages.size(), 1u);
  Pass(Milliseconds(1'000));
  EXPECT_EQ(Status(1), 0);
  Reply(Token(0));
  EXPECT_EQ(Status(1), 200);
}

TEST_F(DispatcherTest, Answers503WhenNoConnectionComes) {
  Submit(1);
  Submit(2, "POST");
  Pass(Milliseconds(2'000));
  EXPECT_EQ(Status(1), 503);
  EXPECT_EQ(Status(2), 503);
  EXPECT_TRUE(RetryLater(1));
  Up();
  EXPECT_TRUE(transport_.messages.empty());
}

TEST_F(DispatcherTest, HoldsRequestsWhileTheTransportIsCongested) {
  Up();
  transport_.refuse = Error{ErrorCode::kUnavailable, "congested", ""};
  Submit(1);
  Submit(2);
  Pass(Milliseconds(500));
  EXPECT_EQ(Status(1), 0);
  transport_.refuse.reset();
  Pass(Milliseconds(20));
  EXPECT_EQ(transport_.messages.size(), 2u);
  transport_.refuse = Error{ErrorCode::kUnavailable, "congested", ""};
  Submit(3);
  Pass(Milliseconds(2'010));
  EXPECT_EQ(Status(3), 503);
  EXPECT_EQ(Status(1), 0);
}

TEST_F(DispatcherTest, NamesTheExchangeThatIsMissing) {
  Submit(1);
  dispatcher_.OnExchangeMissing(now_);
  Submit(2);
  EXPECT_EQ(Status(1), 503);
  EXPECT_EQ(Status(2), 503);
  EXPECT_NE(std::get<Failure>(sink_->answers.at(2).answer).reason.find("shard.web"), std::string::npos);
  Up();
  Submit(3);
  EXPECT_EQ(transport_.messages.size(), 1u);
}

TEST_F(DispatcherTest, PublishesUnconfirmedSafeRequestsAgainAfterAReconnect) {
  Up();
  Submit(1);
  Submit(2);
  Submit(3, "POST");
  Submit(4, "POST");
  dispatcher_.OnConfirm(now_, 1, true);
  dispatcher_.OnConfirm(now_, 3, true);
  dispatcher_.OnPublishDown(now_);
  Pass(Milliseconds(3'000));
  transport_.sequence = 0;  // A new channel counts from 1.
  dispatcher_.OnPublishUp(now_);
  ASSERT_EQ(transport_.messages.size(), 5u);
  EXPECT_EQ(transport_.messages[4].routing_key, "key-2");
  dispatcher_.OnConfirm(now_, 1, true);
  Pass(Milliseconds(1'990));
  EXPECT_EQ(Status(4), 0);
  Pass(Milliseconds(20));
  EXPECT_EQ(Status(4), 502);  // Unconfirmed, not safe: nobody knows.
  EXPECT_EQ(Status(3), 0);    // Confirmed: its answer comes on the other connection.
  Reply(Token(4));
  EXPECT_EQ(Status(2), 200);
}

TEST_F(DispatcherTest, PublishesWithTheNewReplyQueueWhenTheOldOneIsLost) {
  Up();
  Submit(1);
  Submit(2, "POST");
  dispatcher_.OnReplyQueueDown(now_);
  Submit(3);
  EXPECT_EQ(transport_.messages.size(), 2u);
  Pass(Milliseconds(500));
  dispatcher_.OnReplyQueueUp(now_);
  EXPECT_EQ(transport_.messages.size(), 4u);
  Pass(Milliseconds(4'600));
  EXPECT_EQ(Status(2), 502);
  Reply(Token(2));
  Reply(Token(3));
  EXPECT_EQ(Status(1), 200);
  EXPECT_EQ(Status(3), 200);
}

TEST_F(DispatcherTest, PublishesSafeRequestsAgainOnceTheRingHasSettledAfterANodesLoss) {
  Up();
  Submit(1);
  Submit(2, "POST");
  dispatcher_.OnConfirm(now_, 1, true);
  dispatcher_.OnConfirm(now_, 2, true);
  dispatcher_.OnNodeLost(now_);
  Pass(Milliseconds(500));
  Submit(3);  // Into the ring that is not settled yet.
  EXPECT_EQ(transport_.messages.size(), 3u);
  Pass(Milliseconds(500));
  ASSERT_EQ(transport_.messages.size(), 5u);
  EXPECT_EQ(transport_.messages[3].routing_key, "key-1");
  EXPECT_EQ(transport_.messages[4].routing_key, "key-3");
  Pass(Milliseconds(4'000));
  EXPECT_EQ(Status(2), 502);
  Reply(Token(3));
  EXPECT_EQ(Status(1), 200);
}

TEST_F(DispatcherTest, PublishesAgainWhatWentToTheQueueOfANodeThatTookLongToGo) {
  Up();
  dispatcher_.OnNodeLost(now_);
  Pass(Milliseconds(1'500));  // An orderly stop: its bindings are still there.
  Submit(1);
  Submit(2, "POST");
  Pass(Milliseconds(1'490));
  EXPECT_EQ(transport_.messages.size(), 2u);
  Pass(Milliseconds(20));
  ASSERT_EQ(transport_.messages.size(), 3u);
  EXPECT_EQ(transport_.messages[2].routing_key, "key-1");
  Pass(Milliseconds(5'000));
  EXPECT_EQ(Status(2), 502);
  Reply(Token(2));
  EXPECT_EQ(Status(1), 200);
}

TEST_F(DispatcherTest, LeavesAloneWhatAWorkerHasInHandAfterALoss) {
  Up();
  dispatcher_.OnNodeLost(now_);
  Pass(Milliseconds(1'100));
  Submit(1);
  Submit(2, "POST");
  Pass(Milliseconds(300));
  Accept(Token(0));
  Accept(Token(1));
  Pass(Milliseconds(15'000));
  EXPECT_EQ(transport_.messages.size(), 2u) << "workers said that they have both";
  EXPECT_EQ(Status(2), 0);
  dispatcher_.OnNodeLost(now_);  // Those workers may be gone with it.
  Pass(Milliseconds(5'100));
  EXPECT_GE(transport_.messages.size(), 3u);
  EXPECT_EQ(Status(2), 502);
}

TEST_F(DispatcherTest, Answers502RatherThan504WhenAnUnsafeRequestWasLostShortOfItsDeadline) {
  Up();
  Submit(1, "POST");
  Submit(2);
  Pass(Milliseconds(28'000));
  dispatcher_.OnNodeLost(now_);
  Pass(Milliseconds(2'000));
  EXPECT_EQ(Status(1), 502);
  EXPECT_EQ(Status(2), 504);
}

TEST_F(DispatcherTest, NeverPublishesASecondCopyOfAnUnsafeRequest) {
  Up();
  Submit(1, "POST");
  dispatcher_.OnNodeLost(now_);
  dispatcher_.OnConfirm(now_, 1, false);
  dispatcher_.OnReplyQueueDown(now_);
  dispatcher_.OnPublishDown(now_);
  Pass(Milliseconds(1'000));
  Up();
  Pass(Milliseconds(3'000));
  EXPECT_EQ(transport_.messages.size(), 1u);
  Reply(Token(0));  // Nacked, and carried out all the same.
  EXPECT_EQ(Status(1), 200);
}

TEST_F(DispatcherTest, HoldsRequestsLongerWhenTheConnectionWasLostThanWhenThereIsNone) {
  Up();
  dispatcher_.OnPublishDown(now_);
  Submit(1);
  Submit(2, "POST");
  Pass(Milliseconds(14'000));
  EXPECT_EQ(Status(1), 0);
  transport_.sequence = 0;
  dispatcher_.OnPublishUp(now_);
  EXPECT_EQ(transport_.messages.size(), 2u);
  dispatcher_.OnPublishDown(now_);
  Submit(3);
  Pass(Milliseconds(14'900));
  EXPECT_EQ(Status(3), 0);
  Pass(Milliseconds(110));
  EXPECT_EQ(Status(3), 503);
  Submit(4);  // The outage lasts.
  Pass(Milliseconds(2'010));
  EXPECT_EQ(Status(4), 503);
}

TEST_F(DispatcherTest, TakesTheFirstAnswerOfSeveralCopies) {
  Up();
  Submit(1);
  dispatcher_.OnNodeLost(now_);
  Pass(Milliseconds(1'000));
  ASSERT_EQ(transport_.messages.size(), 2u);
  dispatcher_.OnReturn(now_, Token(1));  // The copy found no shard; the first may still be answered.
  EXPECT_EQ(Status(1), 0);
  Reply(Token(0), "first");
  EXPECT_EQ(std::get<wire::Response>(sink_->answers.at(1).answer).body, "first");
}

TEST_F(DispatcherTest, TriesAgainWhenReturnedWhileTheRingSettles) {
  Up();
  dispatcher_.OnNodeLost(now_);
  Submit(1);
  Submit(2, "POST");
  dispatcher_.OnReturn(now_, Token(0));
  dispatcher_.OnReturn(now_, Token(1));
  EXPECT_EQ(Status(1), 0);
  EXPECT_EQ(Status(2), 0) << "it reached no queue, so a POST may be sent again, too";
  Pass(Milliseconds(200));
  EXPECT_GE(transport_.messages.size(), 4u);
  dispatcher_.OnConfirm(now_, 2, false);  // Of the copy that was returned: says nothing about the later one.
  Pass(Milliseconds(300));
  EXPECT_EQ(Status(2), 0);
}

TEST_F(DispatcherTest, TriesReturnedRequestsUntilTheDeadlineWhileANodeIsAway) {
  Up();
  dispatcher_.OnNodeLost(now_);
  Submit(1, "POST");
  for (std::size_t returned = 0; Status(1) == 0; Pass(Milliseconds(10))) {
    ASSERT_LT(returned, 100u);
    for (; returned < transport_.messages.size(); ++returned) dispatcher_.OnReturn(now_, Token(returned));
  }
  EXPECT_GT(transport_.messages.size(), Dispatcher::kMaxPublishings);
  EXPECT_EQ(Status(1), 503) << "it never reached a queue";
  EXPECT_TRUE(RetryLater(1));
}

TEST_F(DispatcherTest, FailsReturnedRequestsAtOnceSomeTimeAfterTheNodeIsBack) {
  Up();
  dispatcher_.OnNodeLost(now_);
  dispatcher_.OnNodeBack(now_);
  Pass(Milliseconds(10'010));
  Submit(1);
  dispatcher_.OnReturn(now_, Token(0));
  EXPECT_EQ(Status(1), 503);
}

TEST_F(DispatcherTest, TriesNackedSafeRequestsOnAndOnWhileANodeGoes) {
  Up();
  dispatcher_.OnNodeLost(now_);
  Submit(1);
  for (std::uint64_t sequence = 1; sequence <= 12; ++sequence) {
    dispatcher_.OnConfirm(now_, sequence, false);
    Pass(Milliseconds(900));
    ASSERT_GT(transport_.messages.size(), sequence);
  }
  EXPECT_EQ(Status(1), 0);
  Reply(Token(transport_.messages.size() - 1));
  EXPECT_EQ(Status(1), 200);
}

TEST_F(DispatcherTest, NeverPublishesARequestWithoutEnd) {
  Up();
  Submit(1);
  for (int i = 0; i < 20; ++i) {
    dispatcher_.OnNodeLost(now_);
    Pass(Milliseconds(1'100));
  }
  EXPECT_LE(transport_.messages.size(), Dispatcher::kMaxPublishings);
  Pass(Milliseconds(10'000));
  EXPECT_EQ(Status(1), 504);
}

}  // namespace
}  // namespace warren::proxy
