// The dispatcher and workers that say they are at work (http.accept): who is told that nobody waits, and when.
#include "tests/unit/http/dispatcher_fixture.h"

namespace warren::proxy {
namespace {

using Cancels = std::vector<FakeTransport::CancelMessage>;

TEST_F(DispatcherTest, TellsTheWorkerWhenTheClientIsGone) {
  Up();
  const auto id = Submit(1);
  Accept(Token(0), "inbox-a", "7");
  EXPECT_TRUE(sink_->answers.empty()) << "an accept is no answer";
  dispatcher_.Abandon(id);
  EXPECT_EQ(transport_.cancels, (Cancels{{"inbox-a", Token(0), "7"}}));
  EXPECT_EQ(stats_.cancels, 1u);
}

TEST_F(DispatcherTest, SaysNothingToAWorkerThatAnswered) {
  Up();
  Submit(1);
  Accept(Token(0));
  Reply(Token(0));
  EXPECT_EQ(Status(1), 200);
  EXPECT_TRUE(transport_.cancels.empty());
  Accept(Token(0));
  EXPECT_TRUE(transport_.cancels.empty());
}

TEST_F(DispatcherTest, TellsTheWorkerWhoseCopyWasNotTheFirst) {
  Up();
  Submit(1);
  Accept(Token(0), "inbox-a", "1");
  dispatcher_.OnNodeLost(now_);
  Pass(Milliseconds(1'000));
  ASSERT_EQ(transport_.messages.size(), 2u);
  Accept(Token(1), "inbox-b", "2");
  Reply(Token(1));
  EXPECT_EQ(Status(1), 200);
  EXPECT_EQ(transport_.cancels, (Cancels{{"inbox-a", Token(0), "1"}}));
}

TEST_F(DispatcherTest, TellsTheWorkerThatHadTheRequestLast) {
  Up();
  const auto id = Submit(1);
  Accept(Token(0), "inbox-a", "1");
  Accept(Token(0), "inbox-b", "2");  // The first worker died, the broker delivered it again.
  dispatcher_.Abandon(id);
  EXPECT_EQ(transport_.cancels, (Cancels{{"inbox-b", Token(0), "2"}}));
}

TEST_F(DispatcherTest, TellsAWorkerThatAcceptsTooLate) {
  Up();
  const auto id = Submit(1);
  dispatcher_.Abandon(id);
  Accept(Token(0), "inbox-a", "1");
  EXPECT_EQ(transport_.cancels, (Cancels{{"inbox-a", Token(0), "1"}}));
}

TEST_F(DispatcherTest, TellsTheWorkerAtTheDeadline) {
  Up();
  Submit(1);
  Accept(Token(0), "inbox-a", "1");
  Pass(Milliseconds(30'000));
  EXPECT_EQ(Status(1), 504);
  EXPECT_EQ(transport_.cancels.size(), 1u);
}

TEST_F(DispatcherTest, IgnoresAcceptsOfWhatItNeverAsked) {
  Up();
  Accept("0123456789abcdef0123456789abcdef");
  Accept("rubbish");
  EXPECT_TRUE(transport_.cancels.empty());
  EXPECT_EQ(stats_.unknown_replies, 0u);
}

TEST_F(DispatcherTest, GrantsARequestToTheFirstWhoClaimsItAsOftenAsItAsks) {
  Up();
  Submit(1, "POST");
  Claim(Token(0), "inbox-a", "1");
  Claim(Token(0), "inbox-a", "1");
  EXPECT_EQ(transport_.grants, (Cancels{{"inbox-a", Token(0), "1"}, {"inbox-a", Token(0), "1"}}));
  Reply(Token(0));
  EXPECT_EQ(Status(1), 200);
  EXPECT_TRUE(transport_.cancels.empty());
}

TEST_F(DispatcherTest, FailsWhatASecondWorkerClaims) {
  Up();
  Submit(1, "POST");
  Claim(Token(0), "inbox-a", "1");
  Claim(Token(0), "inbox-b", "2");
  EXPECT_EQ(Status(1), 502);
  EXPECT_EQ(transport_.grants.size(), 1u);
  EXPECT_EQ(transport_.cancels, (Cancels{{"inbox-b", Token(0), "2"}, {"inbox-a", Token(0), "1"}}));
  EXPECT_EQ(stats_.claims_refused, 1u);
}

TEST_F(DispatcherTest, FailsWhatIsClaimedAfterAnotherWorkerWasAtIt) {
  Up();
  Submit(1, "POST");
  Accept(Token(0), "inbox-a", "1");
  Claim(Token(0), "inbox-b", "2");
  EXPECT_EQ(Status(1), 502);
  EXPECT_TRUE(transport_.grants.empty());
}

TEST_F(DispatcherTest, AnAcceptOfAnotherWorkerMakesItNoOwner) {
  Up();
  Submit(1, "POST");
  Claim(Token(0), "inbox-a", "1");
  Accept(Token(0), "inbox-b", "2");
  Claim(Token(0), "inbox-b", "2");
  EXPECT_EQ(Status(1), 502);
  EXPECT_EQ(transport_.grants.size(), 1u);
}

TEST_F(DispatcherTest, TellsWhoClaimedWhereItsInboxIsNow) {
  Up();
  const auto id = Submit(1, "POST");
  Claim(Token(0), "inbox-a", "1");
  Claim(Token(0), "inbox-b", "1");
  EXPECT_EQ(transport_.grants.back(), (FakeTransport::CancelMessage{"inbox-b", Token(0), "1"}));
  dispatcher_.Abandon(id);
  EXPECT_EQ(transport_.cancels, (Cancels{{"inbox-b", Token(0), "1"}}));
}

TEST_F(DispatcherTest, RefusesClaimsOfWhatNobodyWaitsFor) {
  Up();
  dispatcher_.Abandon(Submit(1, "POST"));
  Claim(Token(0), "inbox-a", "1");
  Claim("0123456789abcdef0123456789abcdef", "inbox-a", "2");
  Claim("rubbish");
  EXPECT_TRUE(transport_.grants.empty());
  EXPECT_EQ(transport_.cancels,
            (Cancels{{"inbox-a", Token(0), "1"}, {"inbox-a", "0123456789abcdef0123456789abcdef", "2"}}));
}

TEST_F(DispatcherTest, AClaimIsAnAcceptToo) {
  Up();
  const auto id = Submit(1, "POST");
  Claim(Token(0), "inbox-a", "1");
  dispatcher_.Abandon(id);
  EXPECT_EQ(transport_.cancels, (Cancels{{"inbox-a", Token(0), "1"}}));
}

TEST_F(DispatcherTest, RemembersABoundedNumberOfAbandonedRequests) {
  Up();
  for (std::uint64_t tag = 0; tag <= Dispatcher::kRememberedTokens; ++tag) dispatcher_.Abandon(Submit(tag));
  Accept(Token(0));
  EXPECT_TRUE(transport_.cancels.empty()) << "the oldest is forgotten";
  Accept(Token(1));
  EXPECT_EQ(transport_.cancels.size(), 1u);
}

}  // namespace
}  // namespace warren::proxy
