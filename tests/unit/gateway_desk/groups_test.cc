// Who consumes what, as streams, nodes, assignments and members come and go.
#include "groups_fixture.h"

namespace warren::gateway {
namespace {

TEST_F(GroupsTest, GiveLocalShardsAtOnceAndSayNothingTwice) {
  const MemberId one = Join(0), two = Join(0), three = Join(1);
  EXPECT_EQ(Update(), 3u);
  EXPECT_EQ(Of(one), (Names{kA0, kA1}));
  EXPECT_EQ(Of(two), (Names{kA0, kA1}));
  EXPECT_EQ(Of(three), (Names{kB0, kB1}));
  EXPECT_TRUE(told_[one].known);
  EXPECT_EQ(groups_.Holds(Key(0)), (Names{kA0, kA1}));
  EXPECT_EQ(Update(), 0u);
  Look();
  EXPECT_EQ(Update(), 0u);
}

TEST_F(GroupsTest, BeginWithTheFirstMemberAndEndWithTheLast) {
  EXPECT_TRUE(groups_.Join(1, {0, "/", "x", false}, now_));
  EXPECT_FALSE(groups_.Join(2, {0, "/", "x", false}, now_));
  EXPECT_TRUE(groups_.Join(3, {1, "/", "x", false}, now_));
  EXPECT_EQ(groups_.keys().size(), 2u);
  EXPECT_FALSE(groups_.Leave(1));
  EXPECT_EQ(groups_.Leave(2), Key(0));
  EXPECT_FALSE(groups_.Leave(2));
  EXPECT_EQ(groups_.Leave(3), Key(1));
  EXPECT_TRUE(groups_.keys().empty());
  EXPECT_FALSE(groups_.next());
}

TEST_F(GroupsTest, NameNoShardThatWasNotSeenToBeThere) {
  presence_ = Presence::kUnknown;
  const MemberId one = Join(0);
  EXPECT_EQ(Update(), 0u) << "the answer is on its way";
  seen_[{0, kA0}] = Presence::kThere;
  groups_.Touch(Key(0));
  EXPECT_EQ(Update(), 0u);
  seen_[{0, kA1}] = Presence::kMissing;
  groups_.Touch(Key(0));
  EXPECT_EQ(Update(), 1u);
  EXPECT_EQ(Of(one), Names{kA0});
  seen_[{0, kA1}] = Presence::kThere;
  groups_.Touch(Key(0));
  EXPECT_EQ(Update(), 1u);
  EXPECT_EQ(Of(one), (Names{kA0, kA1}));
}

TEST_F(GroupsTest, TellOfNewShardsTogetherAndOfLostOnesAtOnce) {
  const MemberId one = Join(0);
  groups_.Assign(Key(0), {kA0, kA1}, {kA0, kA1});
  Update();
  presence_ = Presence::kUnknown;
  groups_.Assign(Key(0), {kA0, kA1, kB0, kC0}, {kA0, kA1});
  EXPECT_EQ(Update(), 0u);
  seen_[{0, kB0}] = Presence::kThere;
  groups_.Touch(Key(0));
  EXPECT_EQ(Update(), 0u);
  QueueOf(kA0).state = "down";
  Look();
  EXPECT_EQ(Update(), 1u);
  EXPECT_EQ(Of(one), (Names{kA1, kB0}));
  seen_[{0, kC0}] = Presence::kThere;
  groups_.Touch(Key(0));
  EXPECT_EQ(Update(), 1u);
  EXPECT_EQ(Of(one), (Names{kA1, kB0, kC0}));
}

TEST_F(GroupsTest, AnswerAfterTwoSecondsWhateverIsThere) {
  presence_ = Presence::kUnknown;
  const MemberId one = Join(0);
  EXPECT_EQ(Update(), 0u);
  ASSERT_TRUE(groups_.next());
  EXPECT_EQ(*groups_.next(), now_ + 2s);
  now_ += 2s;
  EXPECT_EQ(Update(), 1u);
  EXPECT_EQ(Of(one), Names{});
  EXPECT_TRUE(told_[one].known);
  EXPECT_FALSE(groups_.next());
}

TEST_F(GroupsTest, WaitForAnAssignmentWhereTheNodeHasNoShards) {
  groups_.SetNode(3, "d");
  const MemberId one = Join(3), two = Join(3);
  EXPECT_EQ(Update(), 0u);
  groups_.Assign(Key(3), {kC0, kC1}, {});
  EXPECT_EQ(Update(), 2u);
  EXPECT_EQ(Of(one), Names{kC0});
  EXPECT_EQ(Of(two), Names{kC1});
}

TEST_F(GroupsTest, TellWhenThereIsNoSuchStreamAndWhenItComes) {
  const auto queues = std::exchange(topology_.queues, {});
  Look();
  const MemberId one = Join(0);
  EXPECT_EQ(Update(), 1u);
  EXPECT_FALSE(told_[one].known);
  topology_.queues = queues;
  Look();
  EXPECT_EQ(Update(), 1u);
  EXPECT_TRUE(told_[one].known);
  EXPECT_EQ(Of(one), (Names{kA0, kA1}));
  topology_.queues.clear();
  Look();
  EXPECT_EQ(Update(), 1u);
  EXPECT_FALSE(told_[one].known);
  EXPECT_EQ(Of(one), Names{});
}

TEST_F(GroupsTest, GoByAssignmentsAsFarAsShardsAreUpUntilCoordinatorsFallSilent) {
  const MemberId one = Join(0), two = Join(0);
  Update();
  groups_.Assign(Key(0), {kA0, kC0, "stream: x - z - 0"}, {kA0});
  Update();
  EXPECT_EQ(Of(one), (Names{kA0, kC0}));
  EXPECT_EQ(Of(two), Names{kA0});
  EXPECT_EQ(groups_.CountSources(), (std::pair<std::size_t, std::size_t>{1, 0}));
  QueueOf(kC0).state = "down";
  Look();
  Update();
  EXPECT_EQ(Of(one), Names{kA0});
  groups_.FallSilent(Key(0));
  Update();
  EXPECT_EQ(Of(one), (Names{kA0, kA1}));
  EXPECT_EQ(groups_.CountSources(), (std::pair<std::size_t, std::size_t>{0, 1}));
}

TEST_F(GroupsTest, KeepWhatACoordinatorHadAssignedWhenItFallsSilent) {
  const MemberId one = Join(0);
  groups_.Assign(Key(0), {kA0, kA1, kC0}, {kA0, kA1});
  Update();
  ASSERT_EQ(Of(one), (Names{kA0, kA1, kC0}));
  groups_.FallSilent(Key(0));
  EXPECT_EQ(Update(), 0u) << "no shard is without a consumer for it";
  Join(2);
  Update();
  EXPECT_EQ(Of(one), (Names{kA0, kA1})) << "somebody is closer now";
}

TEST_F(GroupsTest, LeaveShardsThatAreDownOrDrainedAndEmptyAlone) {
  QueueOf(kA0).state = "down";
  Unbind(kA1);
  Look();
  const MemberId one = Join(0);
  groups_.FallSilent(Key(0));
  Update();
  EXPECT_EQ(Of(one), Names{});
  QueueOf(kA1).unacked = 1;
  Look();
  Update();
  EXPECT_EQ(Of(one), Names{kA1});
  QueueOf(kA1).unacked.reset();
  Look();
  EXPECT_EQ(Update(), 0u) << "nobody knows that it is empty";
  QueueOf(kA0).state = "running";
  Look();
  Update();
  EXPECT_EQ(Of(one), (Names{kA0, kA1}));
}

TEST_F(GroupsTest, TakeShardsThatNobodyConsumesAfterTwoLooksAndOneGroupDoes) {
  const MemberId on_b = Join(1), on_c = Join(2);
  Update();
  QueueOf(kA0).consumers = 0;
  Look();
  groups_.FallSilent(Key(1));
  groups_.FallSilent(Key(2));
  Update();
  EXPECT_EQ(Of(on_b), (Names{kB0, kB1})) << "once may have been too early";
  Look();
  Update();
  EXPECT_EQ(Of(on_b), (Names{kA0, kB0, kB1}));
  EXPECT_EQ(Of(on_c), (Names{kC0, kC1}));
  const MemberId another = Join(1);
  Update();
  EXPECT_EQ(Of(on_b), (Names{kA0, kB0, kB1}));
  EXPECT_EQ(Of(another), (Names{kB0, kB1}));
  QueueOf(kA0).consumers = 1;
  Look();
  EXPECT_EQ(Update(), 0u) << "that is the consumer here";
  const MemberId at_home = Join(0);
  Update();
  EXPECT_EQ(Of(at_home), (Names{kA0, kA1}));
  EXPECT_EQ(Of(on_b), (Names{kB0, kB1}));
}

TEST_F(GroupsTest, TakeNoShardOfANodeThatHasAGroupHere) {
  Join(0);
  const MemberId on_b = Join(1);
  groups_.FallSilent(Key(0));
  groups_.FallSilent(Key(1));
  QueueOf(kA0).consumers = QueueOf(kC0).consumers = QueueOf(kC1).consumers = 0;
  Look();
  Look();
  seen_[{0, kA0}] = Presence::kMissing;
  Update();
  EXPECT_EQ(Of(on_b), (Names{kB0, kB1}));
  EXPECT_EQ(Of(1), (Names{kA1, kC0, kC1}));
}

TEST_F(GroupsTest, LeaveToOthersWhatACoordinatorAssignedToOneOfThem) {
  Join(0);
  const MemberId on_b = Join(1);
  groups_.Assign(Key(0), {kA0, kA1, kC0}, {kA0, kA1});
  groups_.FallSilent(Key(1));
  QueueOf(kC0).consumers = QueueOf(kC1).consumers = 0;
  Look();
  Look();
  Update();
  EXPECT_EQ(Of(1), (Names{kA0, kA1, kC0}));
  EXPECT_EQ(Of(on_b), (Names{kB0, kB1, kC1}));
}

TEST_F(GroupsTest, GiveAnExclusiveMemberEverythingThatIsUpBesideTheOthers) {
  QueueOf(kC0).state = "down";
  Unbind(kB1);
  Look();
  const MemberId exclusive = Join(0, true), one = Join(0);
  Update();
  EXPECT_EQ(Of(exclusive), (Names{kA0, kA1, kB0, kB1, kC1}));
  EXPECT_EQ(Of(one), (Names{kA0, kA1}));
  EXPECT_EQ(groups_.Holds(Key(0)), (Names{kA0, kA1, kB0, kB1, kC1}));
}

TEST_F(GroupsTest, AnswerAnExclusiveMemberWhenEveryShardWasSeen) {
  seen_[{0, kC1}] = Presence::kMissing;
  const MemberId exclusive = Join(0, true);
  now_ += Groups::kFirstAnswer;
  groups_.Touch(Key(0));
  EXPECT_EQ(Update(), 0u) << "it would be alone with some of them only";
  seen_.clear();
  groups_.Touch(Key(0));
  EXPECT_EQ(Update(), 1u);
  EXPECT_EQ(Of(exclusive), kAll);
}

TEST_F(GroupsTest, HoldUpNoShardOfAnExclusiveMemberForOneThatIsMissing) {
  const MemberId exclusive = Join(0, true);
  Update();
  seen_[{0, kC0}] = Presence::kMissing;
  groups_.Lost(exclusive, kC0);
  groups_.Lost(exclusive, kA0);
  seen_[{0, kA0}] = Presence::kUnknown;
  Update();
  EXPECT_EQ(Of(exclusive), (Names{kA1, kB0, kB1, kC1}));
  seen_[{0, kA0}] = Presence::kThere;
  groups_.Touch(Key(0));
  Update();
  EXPECT_EQ(Of(exclusive), (Names{kA0, kA1, kB0, kB1, kC1}));
}

}  // namespace
}  // namespace warren::gateway
