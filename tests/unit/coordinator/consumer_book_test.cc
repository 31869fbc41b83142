// The account of consumers: who joins, moves and leaves, what strangers cannot make of it; and who is told what.
#include "coordinator/consumer_book.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "coordinator/reassign.h"

namespace warren::coordinator {
namespace {

using Heard = ConsumerBook::Heard;

const StreamName kStream{"/", "shard.a"};

Hello HelloOf(const std::string& instance, std::vector<std::string> holds = {}) {
  return {"shard.a", instance, "worker", std::move(holds), 0};
}

BookedConsumer& Find(ConsumerBook& book, const std::string& instance) { return book.groups().at(kStream).at(instance); }

TEST(ConsumerBook, KnowsAConsumerByItsInstance) {
  ConsumerBook book;
  EXPECT_EQ(book.Hear("/", "inbox1", HelloOf("w"), 10), Heard::kNew);
  EXPECT_EQ(book.Hear("/", "inbox1", HelloOf("w"), 20), Heard::kSame);
  EXPECT_EQ(book.Hear("/", "inbox1", HelloOf("w", {"q"}), 30), Heard::kNew);
  EXPECT_EQ(book.Hear("/", "inbox2", HelloOf("w", {"q"}), 40), Heard::kNew) << "it connected anew";
  EXPECT_EQ(book.size(), 1u);
  EXPECT_EQ(Find(book, "w").since_ms, 10);
  EXPECT_EQ(Find(book, "w").last_seen_ms, 40);
  EXPECT_TRUE(book.Remove({"/", "inbox1"}).empty()) << "the inbox of before is nobody's now";
  EXPECT_EQ(book.Remove({"/", "inbox2"}), (ConsumerBook::Streams{{kStream, 1}}));
  EXPECT_EQ(book.size(), 0u);
  EXPECT_TRUE(book.groups().empty());
}

TEST(ConsumerBook, TakesAByeFromTheInboxOfNowAlone) {
  ConsumerBook book;
  book.Hear("/", "new", HelloOf("w"), 10);
  EXPECT_FALSE(book.Bye("/", "old", HelloOf("w")));
  EXPECT_FALSE(book.Bye("/", "new", HelloOf("other")));
  EXPECT_FALSE(book.Bye("v", "new", HelloOf("w")));
  EXPECT_TRUE(book.Bye("/", "new", HelloOf("w")));
  EXPECT_EQ(book.size(), 0u);
}

TEST(ConsumerBook, ForgetsWhoIsSilent) {
  ConsumerBook book;
  book.Hear("/", "one", HelloOf("w1"), 0);
  book.Hear("/", "two", HelloOf("w2"), 5'000);
  const auto always = [](const std::string&) { return true; };
  const auto never = [](const std::string&) { return false; };
  EXPECT_TRUE(book.Expire(ConsumerBook::kSilenceMs, always).empty());
  EXPECT_TRUE(book.Expire(ConsumerBook::kSilenceMs + 1, never).empty()) << "they cannot be heard";
  EXPECT_EQ(book.Expire(ConsumerBook::kSilenceMs + 1, always).size(), 1u);
  EXPECT_EQ(book.size(), 1u);
  book.Forgive("/", 50'000);
  EXPECT_TRUE(book.Expire(60'000, always).empty()) << "nobody could be heard";
  EXPECT_EQ(book.Expire(80'000, always).size(), 1u);
}

TEST(ConsumerBook, AsksForEachInboxOnce) {
  ConsumerBook book;
  book.Hear("/", "shared", HelloOf("w1"), 0);
  book.Hear("/", "shared", HelloOf("w2"), 0);
  book.Hear("/", "gone", HelloOf("w3"), 0);
  EXPECT_EQ(book.NextUnknown(0)->queue, "shared");
  book.Remove({"/", "gone"});
  EXPECT_FALSE(book.NextUnknown(0));
  book.Postpone({"/", "shared"}, 0);
  book.Postpone({"/", "shared"}, 0);
  EXPECT_FALSE(book.NextUnknown(ConsumerBook::kAskAgainMs - 1));
  EXPECT_EQ(book.NextUnknown(ConsumerBook::kAskAgainMs)->queue, "shared");
  EXPECT_FALSE(book.NextUnknown(99'000));
  EXPECT_EQ(book.Locate({"/", "shared"}, "a@h"), (ConsumerBook::Streams{{kStream, 2}}));
  EXPECT_EQ(Find(book, "w1").node, "a@h");
  book.Hear("/", "shared", HelloOf("w4"), 0);
  EXPECT_EQ(Find(book, "w4").node, "a@h") << "it is known already";
  EXPECT_FALSE(book.NextUnknown(99'000));
  EXPECT_TRUE(book.Locate({"/", "none"}, "a@h").empty());
  EXPECT_EQ(book.Remove({"/", "shared"}), (ConsumerBook::Streams{{kStream, 3}}));
}

TEST(ConsumerBook, AnInboxThatIsNeverFoundHoldsUpNoOther) {
  ConsumerBook book;
  book.Hear("/", "bad", HelloOf("w1"), 0);
  std::int64_t now_ms = 0, pause_ms = ConsumerBook::kAskAgainMs;
  for (int i = 0; i < 9; ++i) {
    ASSERT_EQ(book.NextUnknown(now_ms)->queue, "bad");
    book.Postpone({"/", "bad"}, now_ms);
    const std::string good = "good" + std::to_string(i);
    book.Hear("/", good, HelloOf(good), now_ms);
    EXPECT_EQ(book.NextUnknown(now_ms)->queue, good);
    now_ms += std::exchange(pause_ms, std::min(pause_ms * 2, ConsumerBook::kLongestAskAgainMs));
  }
  // One that comes and goes does not wait in the queue more than once.
  book.NextUnknown(now_ms);
  for (int i = 0; i < 9; ++i) {
    book.Hear("/", "fleeting", HelloOf("f"), now_ms);
    book.Bye("/", "fleeting", HelloOf("f"));
  }
  EXPECT_FALSE(book.NextUnknown(now_ms));
  book.Hear("/", "fleeting", HelloOf("f"), now_ms);
  EXPECT_EQ(book.NextUnknown(now_ms)->queue, "fleeting");
  EXPECT_FALSE(book.NextUnknown(now_ms));
}

TEST(ConsumerBook, IsBounded) {
  ConsumerBook book;
  const auto fill = [&](const std::string& vhost) {
    std::size_t i = 0;
    while (book.Hear(vhost, std::to_string(i / 100), HelloOf(std::to_string(i)), 0) == Heard::kNew) ++i;
    return i;
  };
  EXPECT_EQ(fill("/"), ConsumerBook::kMostOfVhost.consumers);
  EXPECT_EQ(book.Hear("/", "0", HelloOf("7"), 0), Heard::kSame);
  EXPECT_EQ(fill("v"), ConsumerBook::kMost.consumers - ConsumerBook::kMostOfVhost.consumers);
  EXPECT_EQ(book.size(), ConsumerBook::kMost.consumers);
  EXPECT_EQ(fill("another"), ConsumerBook::kEachVhost.consumers) << "it has to have room as well";
  const std::vector<std::string> many(50'000, "q");
  for (int i = 0; i < 6; ++i) book.Hear("/", "0", HelloOf(std::to_string(i), many), 0);
  std::size_t held = 0;
  for (const auto& [instance, consumer] : book.groups().at(kStream)) held += consumer.holds.size();
  EXPECT_EQ(held, ConsumerBook::kMostOfVhost.held);
  EXPECT_EQ(book.Hear("/", "0", HelloOf("5", many), 0), Heard::kSame) << "there is still no room";
  EXPECT_EQ(book.RemoveVhost("/"), (ConsumerBook::Streams{{kStream, ConsumerBook::kMostOfVhost.consumers}}));
  book.RemoveVhost("v");
  EXPECT_EQ(fill("/"), ConsumerBook::kMostOfVhost.consumers) << "what is gone counts no more";
}

TEST(ConsumerBook, OneInboxMaySpeakForAsManyStreamsAsItsVhostHas) {
  ConsumerBook book;
  const auto of = [](std::size_t i) { return Hello{"shard." + std::to_string(i), "gateway", "gateway", {}, 0}; };
  for (std::size_t i = 0; i < ConsumerBook::kMostOfVhost.consumers; ++i)
    ASSERT_EQ(book.Hear("/", "inbox", of(i), 0), Heard::kNew) << i;
  EXPECT_TRUE(book.Crowded(0).empty());
  EXPECT_EQ(book.Locate({"/", "inbox"}, "a@h").size(), ConsumerBook::kMostOfVhost.consumers);
}

TEST(ConsumerBook, SaysWhereThereAreTooManyUntilNobodyIsRefusedAnyMore) {
  ConsumerBook book;
  const std::size_t most = ConsumerBook::kMostOfVhost.consumers;
  for (std::size_t i = 0; i < most; ++i) book.Hear("/", "inbox", HelloOf(std::to_string(i)), 0);
  EXPECT_TRUE(book.Crowded(0).empty());
  EXPECT_EQ(book.Hear("/", "inbox", HelloOf("one more"), 0), Heard::kRefused);
  EXPECT_EQ(book.Crowded(0), std::vector<std::string>{"/"});
  EXPECT_EQ(book.Hear("/", "inbox", HelloOf("one more"), 10'000), Heard::kRefused);
  EXPECT_EQ(book.Crowded(10'000 + ConsumerBook::kRefusedMs), std::vector<std::string>{"/"}) << "it may be there still";
  EXPECT_TRUE(book.Crowded(10'001 + ConsumerBook::kRefusedMs).empty());
  EXPECT_EQ(book.Hear("/", "inbox", HelloOf("one more"), 40'000), Heard::kRefused);
  book.RemoveVhost("/");
  EXPECT_TRUE(book.Crowded(40'000).empty());
}

class Reassigned : public ::testing::Test {
 protected:
  Reassigned() {
    stream_.vhost = "/";
    stream_.exchange = "shard.a";
    for (const char* name : {"a0", "b0", "c0"}) {
      Shard shard;
      shard.queue = name;
      shard.observed_node = std::string(name, 1) + "@h";
      shard.state = ShardState::kActive;
      shard.bound = true;
      stream_.shards.push_back(shard);
    }
  }

  void Join(const std::string& instance, const std::string& node, std::vector<std::string> holds = {}) {
    book_.Hear("/", "inbox of " + instance, HelloOf(instance, std::move(holds)), 0);
    if (!node.empty()) book_.Locate({"/", "inbox of " + instance}, node);
  }
  std::vector<std::string> Round() { return Reassign(stream_, book_.groups()[kStream], numbering_, 0, 5'000).changed; }
  const GivenShards* Of(const std::string& instance) { return Find(book_, instance).assignment.get(); }

  StreamPlan stream_;
  ConsumerBook book_;
  Numbering numbering_{7'000, 0, 7'000};
};

TEST_F(Reassigned, TellsWhoseAssignmentChanged) {
  Join("w1", "a@h");
  EXPECT_EQ(Round(), std::vector<std::string>{"w1"});
  EXPECT_EQ(Of("w1")->shards(), (std::vector<std::string>{"a0", "b0", "c0"}));
  EXPECT_EQ(*Of("w1")->local, std::vector<std::string>{"a0"});
  EXPECT_EQ(Of("w1")->number, (AssignmentNumber{7'000, 1}));
  EXPECT_EQ(Of("w1")->node, "a@h");
  EXPECT_TRUE(Round().empty());
  Join("w2", "b@h");
  EXPECT_EQ(Round(), (std::vector<std::string>{"w1", "w2"}));
  EXPECT_GT(Of("w1")->number, (AssignmentNumber{7'000, 1}));
  Join("w3", "");
  EXPECT_TRUE(Round().empty()) << "where it is is not known yet";
  EXPECT_EQ(Of("w3"), nullptr);
  book_.Locate({"/", "inbox of w3"}, "c@h");
  EXPECT_EQ(Round().size(), 2u) << "it, and whoever had its shard";
}

TEST_F(Reassigned, TellsNothingToOneWhoseNewInboxIsNotFoundYet) {
  Join("w1", "a@h");
  Join("w2", "b@h");
  Round();
  ASSERT_EQ(Find(book_, "w1").told(), Of("w1"));
  const auto before = Of("w1")->shards();
  book_.Hear("/", "another inbox", HelloOf("w1"), 0);
  EXPECT_EQ(Find(book_, "w1").told(), nullptr);
  EXPECT_EQ(Round(), std::vector<std::string>{"w2"}) << "others have its shards meanwhile";
  EXPECT_EQ(Find(book_, "w1").told(), nullptr);
  book_.Locate({"/", "another inbox"}, "c@h");
  EXPECT_EQ(Find(book_, "w1").told(), nullptr) << "it is told when it is worked out anew";
  Round();
  ASSERT_NE(Find(book_, "w1").told(), nullptr);
  EXPECT_EQ(Of("w1")->node, "c@h");
  EXPECT_EQ(*Of("w1")->local, std::vector<std::string>{"c0"});
  EXPECT_EQ(Of("w1")->shards().size() + Of("w2")->shards().size(), 3u);
  EXPECT_NE(Of("w1")->shards(), before);
}

TEST_F(Reassigned, GoesOnFromWhatItSaidItselfWhenNobodyLedBetween) {
  Join("w1", "a@h", {"a0"});
  Join("w2", "b@h", {"b0", "c0"});
  Round();
  const auto first = Of("w1")->shards(), second = Of("w2")->shards();
  book_.Hear("/", "inbox of w1", HelloOf("w1", {"a0", "c0"}), 0);  // Not done yet as it was told.
  numbering_.term = 0;
  EXPECT_TRUE(Round().empty()) << "it does not lead";
  numbering_.Begin(9'000);
  EXPECT_EQ(Round().size(), 2u);
  EXPECT_EQ(Of("w1")->shards(), first);
  EXPECT_EQ(Of("w2")->shards(), second);
  EXPECT_EQ(Of("w2")->number.term, 9'000);
  // Now another one led: what consumers hold is what counts.
  book_.Hear("/", "inbox of w2", HelloOf("w2", {"b0"}), 0);
  numbering_ = {};
  Round();
  numbering_.Begin(10'000);
  Round();
  EXPECT_EQ(Of("w1")->shards(), (std::vector<std::string>{"a0", "c0"}));
}

TEST_F(Reassigned, GoesOnFromWhatConsumersHoldWhenAnotherLed) {
  Join("w1", "a@h", {"a0"});
  Join("w2", "b@h", {"b0", "c0"});
  numbering_ = {};
  EXPECT_EQ(Round().size(), 2u);
  EXPECT_EQ(Of("w2")->shards(), (std::vector<std::string>{"b0", "c0"}));
  numbering_.Begin(8'000);
  EXPECT_EQ(Round().size(), 2u) << "everybody hears it from the new one";
  EXPECT_EQ(Of("w2")->shards(), (std::vector<std::string>{"b0", "c0"}));
  EXPECT_EQ(Of("w2")->number.term, 8'000);
}

TEST_F(Reassigned, ConsumersOfANodeShareTheListOfItsShardsWhenEverTheyJoin) {
  for (const char* instance : {"w5", "w3", "w9", "w1"}) {
    Join(instance, "a@h");
    Round();
  }
  Join("elsewhere", "b@h");
  Round();
  for (const char* instance : {"w5", "w3", "w9"}) EXPECT_EQ(Of(instance)->local, Of("w1")->local) << instance;
  EXPECT_NE(Of("elsewhere")->local, Of("w1")->local);
}

/// What a stream of many shards comes to for one consumer, and then for one more that is on another node.
class ReassignedToFew : public Reassigned {
 protected:
  void Fill(std::size_t number, std::size_t name_bytes) {
    Shard shard = stream_.shards[0];
    stream_.shards.clear();
    for (std::size_t i = 0; i < number; ++i) {
      const std::string digits = std::to_string(i);
      shard.queue = std::string(name_bytes - digits.size(), '"') + digits;
      stream_.shards.push_back(shard);
    }
  }
  bool LeavesOut() { return Reassign(stream_, book_.groups()[kStream], numbering_, 0, 5'000).left_out; }
  std::size_t TellOf(const std::string& instance) {
    const auto read = ReadAssignment(Message(kStream, instance, *Of(instance)));
    EXPECT_TRUE(read) << read.error().ToString();
    return read ? read->shards.size() : 0;
  }
};

TEST_F(ReassignedToFew, NobodyIsToldOfMoreShardsThanAreRead) {
  Fill(kMaxAssignedShards + 5, 20);
  Join("w1", "a@h");
  EXPECT_TRUE(LeavesOut());
  EXPECT_EQ(TellOf("w1"), kMaxAssignedShards);
  Join("w2", "b@h");
  EXPECT_FALSE(LeavesOut());
  EXPECT_EQ(TellOf("w2"), 5u);
}

TEST_F(ReassignedToFew, NoMessageIsLargerThanWhatIsRead) {
  Fill(3'000, 255);  // Of quotes, which take two bytes each, and named twice.
  Join("w1", "a@h");
  EXPECT_TRUE(LeavesOut());
  const std::size_t told = TellOf("w1");
  EXPECT_GT(told, 1'900u);
  EXPECT_LT(told, 3'000u);
  Join("w2", "b@h");
  EXPECT_FALSE(LeavesOut());
  EXPECT_EQ(TellOf("w1") + TellOf("w2"), 3'000u);
}

}  // namespace
}  // namespace warren::coordinator
