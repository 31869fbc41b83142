// What becomes of shards that are lost, deleted, down, of a node that is gone or has no name, and of a member's that
// leaves.
#include "groups_fixture.h"

namespace warren::gateway {
namespace {

TEST_F(GroupsTest, GiveALostShardAgainOnceItIsSeen) {
  const MemberId one = Join(0), two = Join(0);
  Update();
  seen_[{0, kA0}] = Presence::kMissing;
  EXPECT_EQ(groups_.Lost(one, kA0), Key(0));
  EXPECT_EQ(Update(), 1u);
  EXPECT_EQ(Of(one), Names{kA1});
  EXPECT_EQ(Of(two), (Names{kA0, kA1})) << "it has not lost anything";
  seen_[{0, kA0}] = Presence::kThere;
  groups_.Touch(Key(0));
  EXPECT_EQ(Update(), 1u);
  EXPECT_EQ(Of(one), (Names{kA0, kA1}));
  groups_.Lost(one, kA0);
  EXPECT_EQ(Update(), 1u) << "it is there, and is named again";
  EXPECT_FALSE(groups_.Lost(99, kA0));
}

TEST_F(GroupsTest, NameADeletedQueueToNobodyUntilItIsSeenAgain) {
  const MemberId one = Join(0), two = Join(0), elsewhere = Join(1);
  Update();
  seen_[{0, kA0}] = Presence::kMissing;
  EXPECT_EQ(groups_.Gone("/", "x", kA0), (std::vector<GroupKey>{Key(0), Key(1)}));
  Update();
  EXPECT_EQ(Of(one), Names{kA1});
  EXPECT_EQ(Of(two), Names{kA1});
  EXPECT_EQ(Of(elsewhere), (Names{kB0, kB1}));
  seen_[{0, kA0}] = Presence::kThere;
  groups_.Touch(Key(0));
  Update();
  EXPECT_EQ(Of(one), (Names{kA0, kA1}));
  EXPECT_TRUE(groups_.Gone("/", "another", kA0).empty());
}

TEST_F(GroupsTest, NameNoShardOfANodeThatIsGoneUntilItIsSeenAgain) {
  const MemberId one = Join(0), two = Join(0), at_the_node = Join(2), all = Join(0, true);
  groups_.Assign(Key(0), {kA0, kA1, kC0, kC1}, {kA0, kA1});
  Update();
  ASSERT_EQ(Of(one), (Names{kA0, kA1, kC0}));
  ASSERT_EQ(Of(two), (Names{kA0, kA1, kC1}));
  for (const std::string& queue : {kC0, kC1}) seen_[{0, queue}] = Presence::kUnknown;
  groups_.Doubt("c", true, [](std::size_t upstream) { return upstream != 2; });
  EXPECT_EQ(Update(), 2u);
  EXPECT_EQ(Of(one), (Names{kA0, kA1})) << "before a look says that they are down, and before the answer";
  EXPECT_EQ(Of(two), (Names{kA0, kA1}));
  EXPECT_EQ(Of(at_the_node), (Names{kC0, kC1})) << "there is no way to ask for it";
  EXPECT_EQ(Of(all), kAll);

  for (const std::string& queue : {kC0, kC1}) seen_[{0, queue}] = Presence::kMissing;
  groups_.Touch(Key(0));
  Look();
  EXPECT_EQ(Update(), 0u) << "a look that does not know it yet changes nothing";
  for (const std::string& queue : {kC0, kC1}) seen_[{0, queue}] = Presence::kThere;
  groups_.Touch(Key(0));
  EXPECT_EQ(Update(), 2u) << "nothing but the way to it was lost";
  EXPECT_EQ(Of(one), (Names{kA0, kA1, kC0}));
  EXPECT_EQ(Of(two), (Names{kA0, kA1, kC1}));
}

TEST_F(GroupsTest, KeepDoubtedShardsUnlessTheyTurnOutToBeMissing) {
  const auto only_first = [](std::size_t upstream) { return upstream == 0; };
  const MemberId one = Join(0), elsewhere = Join(2);
  groups_.Assign(Key(0), {kA0, kC0, kC1}, {kA0});
  Update();
  ASSERT_EQ(Of(one), (Names{kA0, kC0, kC1}));
  presence_ = Presence::kUnknown;
  groups_.Doubt("c", false, only_first);
  EXPECT_EQ(Update(), 0u);
  presence_ = Presence::kThere;
  groups_.Touch(Key(0));
  EXPECT_EQ(Update(), 0u);
  presence_ = Presence::kMissing;
  groups_.Touch(Key(0));
  EXPECT_EQ(Update(), 0u) << "there is no doubt any more, nor a question";

  presence_ = Presence::kUnknown;
  groups_.Doubt("c", false, only_first);
  EXPECT_EQ(Update(), 0u);
  presence_ = Presence::kMissing;
  seen_[{0, kC0}] = Presence::kThere;
  groups_.Touch(Key(0));
  EXPECT_EQ(Update(), 1u);
  EXPECT_EQ(Of(one), (Names{kA0, kC0}));
  EXPECT_EQ(Of(elsewhere), (Names{kC0, kC1}));

  groups_.Doubt("", false, [](std::size_t) { return true; });
  EXPECT_EQ(Update(), 2u) << "of any node";
  EXPECT_EQ(Of(one), Names{kC0});
  EXPECT_EQ(Of(elsewhere), Names{});
}

TEST_F(GroupsTest, KeepWhatWasNamedWhileNothingIsKnownOfANode) {
  const MemberId one = Join(0);
  Update();
  presence_ = Presence::kUnknown;
  groups_.Touch(Key(0));
  EXPECT_EQ(Update(), 0u);
  EXPECT_EQ(Of(one), (Names{kA0, kA1}));
}

TEST_F(GroupsTest, NameAShardThatWasDownOnlyOnceItWasSeenAgain) {
  const MemberId one = Join(0);
  Update();
  QueueOf(kA0).state = "down";
  Look();
  Update();
  EXPECT_EQ(Of(one), Names{kA1});
  presence_ = Presence::kUnknown;
  QueueOf(kA0).state = "running";
  Look();
  EXPECT_EQ(Update(), 0u);
  presence_ = Presence::kThere;
  groups_.Touch(Key(0));
  Update();
  EXPECT_EQ(Of(one), (Names{kA0, kA1}));
}

TEST_F(GroupsTest, WaitForTheNameOfTheNode) {
  groups_.SetNode(0, "");
  const MemberId one = Join(0);
  EXPECT_EQ(Update(), 0u);
  groups_.SetNode(0, "c");
  EXPECT_EQ(Update(), 1u);
  EXPECT_EQ(Of(one), (Names{kC0, kC1}));
}

TEST_F(GroupsTest, ShareWhatALeavingMemberHad) {
  groups_ = Groups(ConsumeMode::kOne);
  Look();
  groups_.SetNode(0, "a");
  const MemberId one = Join(0), two = Join(0), three = Join(0);
  Update();
  EXPECT_EQ(Of(one).size() + Of(two).size() + Of(three).size(), 3u) << "one of them shares";
  EXPECT_NE(Of(one), Of(two));
  groups_.Leave(two);
  Update();
  EXPECT_EQ(Of(one).size(), 1u);
  EXPECT_EQ(Of(three).size(), 1u);
  EXPECT_NE(Of(one), Of(three));
}

}  // namespace
}  // namespace warren::gateway
