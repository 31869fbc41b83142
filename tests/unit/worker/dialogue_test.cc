// A consumer's talk with coordinators, over hours that pass in no time.
#include "proxy/control/dialogue.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

namespace warren::control {
namespace {

using std::chrono::milliseconds;
using Time = Dialogue::Time;
using State = Dialogue::State;

class DialogueTest : public ::testing::Test {
 protected:
  /// What falls due in this time: hellos and silences are counted.
  void Pass(milliseconds time) {
    const Time end = now_ + time;
    while (dialogue_.next() <= end) {
      now_ = std::max(now_, dialogue_.next());
      const Dialogue::Due due = dialogue_.Advance(now_);
      ASSERT_TRUE(due.hello || due.fell_silent) << "it rings for nothing";
      silences_ += due.fell_silent;
      if (due.hello) OnHello();
    }
    now_ = end;
  }

  void OnHello() {
    ++hellos_;
    if (said_) {
      ASSERT_GE(now_ - *said_, kSearchPause) << "hellos too close to each other";
    }
    said_ = now_;
    if (on_hello_) on_hello_();
  }

  bool Hear(std::int64_t term, std::uint64_t sequence) { return dialogue_.OnAssignment({term, sequence}, now_); }

  /// As a coordinator that repeats itself each 5 s.
  void PassWithKeepAlives(milliseconds time, AssignmentNumber number) {
    for (milliseconds passed{0}; passed < time; passed += milliseconds(5'000)) {
      dialogue_.OnAssignment(number, now_);
      Pass(milliseconds(5'000));
    }
  }

  Time now_{milliseconds(1'000'000)};
  Dialogue dialogue_{now_};
  int hellos_ = 0, silences_ = 0;
  std::optional<Time> said_;
  std::function<void()> on_hello_;
};

TEST_F(DialogueTest, SaysHelloAtOnce) {
  EXPECT_EQ(dialogue_.next(), now_);
  Pass(milliseconds(0));
  EXPECT_EQ(hellos_, 1);
  EXPECT_EQ(dialogue_.state(), State::kAsking);
}

TEST_F(DialogueTest, SaysHelloEachTenSecondsWhileACoordinatorAnswers) {
  Pass(milliseconds(0));
  PassWithKeepAlives(milliseconds(100'000), {1, 1});
  EXPECT_EQ(hellos_, 1 + 10);
  EXPECT_EQ(silences_, 0);
  EXPECT_EQ(dialogue_.state(), State::kAssigned);
}

TEST_F(DialogueTest, AsksEachSecondAndFallsSilentOnceWhenNobodyAnswers) {
  Pass(kFirstAnswer - milliseconds(1));
  EXPECT_EQ(silences_, 0) << "an answer may be on its way";
  Pass(milliseconds(1));
  EXPECT_EQ(silences_, 1);
  EXPECT_EQ(dialogue_.state(), State::kSilent);
  hellos_ = 0;
  Pass(milliseconds(50'000));
  EXPECT_EQ(hellos_, 50);
  EXPECT_EQ(silences_, 1);
}

TEST_F(DialogueTest, AsksLessOftenWhenCoordinatorsListenAndNoneAnswersForAMinute) {
  Pass(kUnheardFor + milliseconds(1'000));
  hellos_ = 0;
  Pass(10 * kUnheardPause);
  EXPECT_EQ(hellos_, 10);
  dialogue_.OnReturned();
  hellos_ = 0;
  on_hello_ = [&] { dialogue_.OnReturned(); };
  Pass(milliseconds(10'000));
  EXPECT_GE(hellos_, 10) << "nobody listens: one that comes is found at once";
}

TEST_F(DialogueTest, FallsSilentAtOnceWhenItsFirstHelloComesBack) {
  Pass(milliseconds(0));
  dialogue_.OnReturned();
  Pass(milliseconds(0));
  EXPECT_EQ(silences_, 1);
  hellos_ = 0;
  on_hello_ = [&] { dialogue_.OnReturned(); };
  Pass(milliseconds(10'000));
  EXPECT_EQ(hellos_, 10) << "it goes on asking";
  EXPECT_TRUE(Hear(1, 1));
  EXPECT_EQ(dialogue_.state(), State::kAssigned);
}

TEST_F(DialogueTest, FallsSilentAtOnceWhenItIsRefusedAndAsksSeldomThen) {
  on_hello_ = [&] { dialogue_.OnRefused(now_); };
  Pass(milliseconds(0));
  EXPECT_EQ(silences_, 1);
  hellos_ = 0;
  Pass(kRefusedPause);
  EXPECT_EQ(hellos_, 1);
  Pass(2 * kRefusedPause);
  EXPECT_EQ(hellos_, 2);
  Pass(milliseconds(600'000));
  hellos_ = 0;
  Pass(5 * kLongestRefusedPause);
  EXPECT_EQ(hellos_, 5);
  EXPECT_EQ(silences_, 1);
}

TEST_F(DialogueTest, LooksForACoordinatorThatIsLateAndGivesItUpAfterFifteenSeconds) {
  Pass(milliseconds(0));
  PassWithKeepAlives(milliseconds(20'000), {1, 1});
  Hear(1, 1);
  hellos_ = 0;
  Pass(kLateAfter - milliseconds(1));
  EXPECT_LE(hellos_, 1);
  hellos_ = 0;
  Pass(kSilentAfter - kLateAfter);
  EXPECT_GE(hellos_, 7) << "each second";
  EXPECT_EQ(silences_, 0);
  Pass(milliseconds(1));
  EXPECT_EQ(silences_, 1);
  Pass(milliseconds(100'000));
  EXPECT_EQ(silences_, 1);
}

TEST_F(DialogueTest, TakesNobodyForGoneWhileNobodyCanSpeak) {
  Pass(milliseconds(0));
  Hear(1, 1);
  for (int i = 0; i < 60; ++i) {
    Pass(milliseconds(10'000));
    dialogue_.OnBlocked(now_);
  }
  EXPECT_EQ(silences_, 0);
  EXPECT_FALSE(Hear(1, 0)) << "what was overtaken before still is";
  Pass(kSilentAfter - milliseconds(1));
  EXPECT_EQ(silences_, 0);
  Pass(milliseconds(1));
  EXPECT_EQ(silences_, 1) << "once it can be heard again, silence counts";
  dialogue_.OnBlocked(now_);
  EXPECT_EQ(dialogue_.state(), State::kSilent) << "nobody is there because nobody can speak";
}

TEST_F(DialogueTest, LooksForACoordinatorOnceAHelloCameBackButHoldsOnToWhatWasSaid) {
  Pass(milliseconds(0));
  Hear(1, 1);
  Pass(milliseconds(2'000));
  dialogue_.OnReturned();
  hellos_ = 0;
  Pass(milliseconds(3'000));
  EXPECT_GE(hellos_, 3);
  EXPECT_EQ(silences_, 0);
  EXPECT_EQ(dialogue_.state(), State::kAssigned);
}

TEST_F(DialogueTest, TakesWhatIsNewerAndNothingOlder) {
  Pass(milliseconds(0));
  EXPECT_TRUE(Hear(10, 3));
  EXPECT_FALSE(Hear(10, 3)) << "the same again is a sign of life";
  EXPECT_FALSE(Hear(10, 2));
  EXPECT_FALSE(Hear(9, 100)) << "of a coordinator that another has taken over from";
  EXPECT_TRUE(Hear(10, 4));
  EXPECT_TRUE(Hear(11, 1)) << "a new one begins its count anew";
  EXPECT_FALSE(Hear(10, 5));
}

TEST_F(DialogueTest, WhatIsOldIsNoSignOfLife) {
  Pass(milliseconds(0));
  Hear(10, 1);
  for (int i = 0; i < 14; ++i) {
    Pass(milliseconds(1'000));
    EXPECT_FALSE(Hear(9, 1)) << "after " << i + 1 << " s";
  }
  Pass(milliseconds(1'000));
  EXPECT_EQ(silences_, 1);
  EXPECT_TRUE(Hear(9, 1)) << "better than nothing: the clock of the new leader is slow";
  EXPECT_TRUE(Hear(9, 2));
}

TEST_F(DialogueTest, TakesWhatItKnowsAlreadyAfterASilence) {
  Pass(milliseconds(0));
  Hear(10, 1);
  Pass(kSilentAfter);
  EXPECT_EQ(dialogue_.state(), State::kSilent);
  EXPECT_TRUE(Hear(10, 1)) << "something else was followed meanwhile";
}

TEST_F(DialogueTest, HurriesOnceAndAtMostEachSecond) {
  Pass(milliseconds(0));
  Hear(1, 1);
  Pass(milliseconds(300));
  hellos_ = 0;
  for (int i = 0; i < 10; ++i) dialogue_.Hurry();
  Pass(milliseconds(699));
  EXPECT_EQ(hellos_, 0);
  Pass(milliseconds(1));
  EXPECT_EQ(hellos_, 1);
  Hear(1, 1);
  Pass(milliseconds(4'000));
  EXPECT_EQ(hellos_, 1) << "then as before";
  dialogue_.Hurry();
  EXPECT_LE(dialogue_.next(), now_);
}

TEST(Dialogue, RingsForAReasonAndIsNeverStuckWhateverHappens) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    Time now{milliseconds(random() % 100'000)};
    Dialogue dialogue(now);
    for (int step = 0; step < 400; ++step) {
      const milliseconds wait(random() % 3'000);
      const Time until = now + wait;
      while (dialogue.next() <= until) {
        now = std::max(now, dialogue.next());
        const Dialogue::Due due = dialogue.Advance(now);
        ASSERT_TRUE(due.hello || due.fell_silent);
        ASSERT_EQ(due.fell_silent, due.fell_silent && dialogue.state() == State::kSilent);
        if (due.hello && random() % 4 == 0) dialogue.OnReturned();
        if (due.hello && random() % 8 == 0) dialogue.OnRefused(now);
      }
      now = until;
      ASSERT_LE(dialogue.next() - now, kLongestRefusedPause);
      if (random() % 5 == 0) dialogue.Hurry();
      if (random() % 3 == 0) {
        const bool was_silent = dialogue.state() == State::kSilent;
        const bool counts = dialogue.OnAssignment({static_cast<std::int64_t>(random() % 3), random() % 5}, now);
        ASSERT_TRUE(counts || !was_silent);
      }
    }
  }
}

}  // namespace
}  // namespace warren::control
