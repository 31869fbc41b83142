// What became of streams: those that nobody waited for count as well.
#include "coordinator/outcome_book.h"

#include <gtest/gtest.h>

#include "coordinator/digest.h"

namespace warren::coordinator {
namespace {

ActionOutcome Done(ActionKind kind, const std::string& queue) {
  ActionOutcome action;
  action.kind = kind;
  action.exchange = "shard.x";
  action.queue = queue;
  action.attempted = true;
  return action;
}

StreamOutcome Of(std::vector<ActionOutcome> actions) { return {"/", "shard.x", std::move(actions)}; }

StreamOutcome Failed(const std::string& why) {
  ActionOutcome action = Done(ActionKind::kDeclareShard, "q");
  action.result = Fail(ErrorCode::kTimeout, why);
  return Of({action});
}

TEST(OutcomeBook, AFailureIsNewsUntilItIsSaidOrAfterASuccess) {
  OutcomeBook book;
  EXPECT_TRUE(book.Note(Failed("too slow")));
  EXPECT_FALSE(book.Note(Failed("too slow")));
  EXPECT_TRUE(book.Note(Failed("refused")));
  EXPECT_NE(book.failures().at({"/", "shard.x"}).ToString().find("refused"), std::string::npos);
  EXPECT_FALSE(book.Note(Of({Done(ActionKind::kDeclareShard, "q")})));
  EXPECT_TRUE(book.failures().empty());
  EXPECT_TRUE(book.Note(Failed("refused")));
}

TEST(OutcomeBook, KeepsWhatNobodyWaitedForUntilItIsTaken) {
  OutcomeBook book;
  book.AddLate(Failed("first"));
  book.AddLate(Failed("second"));
  const auto late = book.TakeLate();
  ASSERT_EQ(late.size(), 2u);
  EXPECT_EQ(late[0].failure()->result.error().message, "first");
  EXPECT_TRUE(book.failures().empty()) << "nobody has noted them yet";
  EXPECT_TRUE(book.TakeLate().empty());
}

TEST(Digest, AQueueIsBoundAnewWhenItWasUnboundAndBound) {
  using enum ActionKind;
  EXPECT_EQ(Rebounds(Of({Done(kUnbindShard, "a"), Done(kUnbindShard, "b"), Done(kBindShard, "a"), Done(kBindShard, "c"),
                         Done(kUnbindExchange, "d"), Done(kBindExchange, "d")})),
            (std::vector<std::string>{"a", "d"}));
  auto failed = Done(kBindShard, "a");
  failed.result = Fail(ErrorCode::kTimeout, "too slow");
  EXPECT_TRUE(Rebounds(Of({Done(kUnbindShard, "a"), failed})).empty());
}

}  // namespace
}  // namespace warren::coordinator
