// Shards that come and go, messages and acknowledgements in any order: the sum over all of them never exceeds the
// prefetch, and when things come to rest every shard has its part.
#include "proxy/gateway/subscriptions.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>
#include <set>

namespace warren::gateway {
namespace {

using Time = Subscriptions::Time;

/// A broker and a client around Subscriptions, driven at random.
class World {
 public:
  World(std::uint32_t prefetch, unsigned seed) : prefetch_(prefetch), subject_(prefetch), random_(seed) {}

  void Want(std::size_t shards) {
    wanted_.clear();
    for (std::size_t shard = 0; shard < shards; ++shard) wanted_.push_back("q" + std::to_string(shard));
    std::shuffle(wanted_.begin(), wanted_.end(), random_);
    subject_.Want(wanted_, now_);
  }

  void Step() {
    switch (random_() % 8) {
      case 0: Want(1 + random_() % 8); break;
      case 1:
      case 2: Deliver(); break;
      case 3:
      case 4: Settle(); break;
      case 5: Answer(); break;
      case 6: Lose(); break;
      default: now_ += std::chrono::milliseconds(random_() % 400);
    }
    Plan();
  }

  /// Everything is answered and acknowledged, until nothing more happens.
  void Rest() {
    for (int turn = 0; turn < 200; ++turn) {
      while (!unsettled_.empty()) Settle();
      while (!closing_.empty() || !opening_.empty()) Answer();
      now_ += std::chrono::milliseconds(50);
      if (turn == 40) subject_.Want(wanted_, now_);  // As after a loss: it is there again.
      Plan();
    }
  }

  std::size_t consumed() const {
    std::set<std::string> queues;
    for (const auto& [number, held] : held_) queues.insert(held.queue);
    return queues.size();
  }
  std::uint32_t granted() const {
    std::uint32_t sum = 0;
    for (const auto& [number, held] : held_) sum += held.share;
    return sum;
  }
  const std::set<std::string>& visited() const { return visited_; }
  const std::vector<std::string>& wanted() const { return wanted_; }

 private:
  struct Held {
    std::string queue;
    std::uint32_t share = 0, outstanding = 0;
  };

  void Plan() {
    if (const auto next = subject_.next(); next && *next <= now_) subject_.Wake();
    if (!subject_.dirty()) return;
    const auto steps = subject_.Plan(now_);
    for (const auto number : steps.close) {
      ASSERT_TRUE(held_.contains(number)) << "what is closed was there before";
      closing_.push_back(number);
    }
    for (const auto& open : steps.open) {
      ASSERT_GT(open.prefetch, 0);
      held_[open.number] = {open.queue, open.prefetch, 0};
      opening_.push_back(open.number);
      visited_.insert(open.queue);
    }
    // What the broker may send at once, and what the client has already.
    std::uint32_t exposed = static_cast<std::uint32_t>(left_over_);
    for (const auto& [number, held] : held_) exposed += std::max(held.share, held.outstanding);
    ASSERT_LE(exposed, prefetch_);
    std::set<std::string> queues;
    for (const auto& [number, held] : held_) {
      const bool closing = std::find(closing_.begin(), closing_.end(), number) != closing_.end();
      if (!closing) {
        ASSERT_TRUE(queues.insert(held.queue).second) << held.queue << " has two consumers";
      }
    }
  }

  void Deliver() {
    for (auto& [number, held] : held_) {
      if (held.outstanding >= held.share || random_() % 2 == 0) continue;
      ++held.outstanding;
      unsettled_.push_back(number);
      subject_.OnDelivered(number, now_);
    }
  }

  void Settle() {
    if (unsettled_.empty()) return;
    const std::size_t at = random_() % unsettled_.size();
    const auto number = unsettled_[at];
    unsettled_.erase(unsettled_.begin() + static_cast<long>(at));
    const auto held = held_.find(number);
    if (held == held_.end()) {
      --left_over_;
    } else {
      --held->second.outstanding;
    }
    subject_.OnSettled(number);
  }

  void Answer() {
    if (!closing_.empty() && random_() % 2 == 0) {
      const auto number = closing_.front();
      closing_.erase(closing_.begin());
      if (!held_.contains(number)) return;
      Drop(number);
      subject_.OnClosed(number);
    } else if (!opening_.empty()) {
      subject_.OnOpened(opening_.front());
      opening_.erase(opening_.begin());
    }
  }

  void Lose() {
    if (held_.empty() || random_() % 4 != 0) return;
    const auto number = held_.begin()->first;
    Drop(number);
    subject_.OnLost(number, now_);
  }

  void Drop(Subscriptions::Number number) {
    left_over_ += held_[number].outstanding;
    held_.erase(number);
  }

  const std::uint32_t prefetch_;
  Subscriptions subject_;
  std::mt19937 random_;
  Time now_ = Time(std::chrono::hours(1));
  std::vector<std::string> wanted_;
  std::map<Subscriptions::Number, Held> held_;
  std::vector<Subscriptions::Number> opening_, closing_, unsettled_;
  std::size_t left_over_ = 0;  ///< Unacknowledged, of those that are no more.
  std::set<std::string> visited_;
};

TEST(Subscriptions, NeverExceedThePrefetchAndLeaveNoShardOut) {
  for (unsigned seed = 0; seed < 400; ++seed) {
    const std::uint32_t prefetch = 1 + seed % 12;
    World world(prefetch, seed);
    world.Want(4);
    for (int step = 0; step < 300; ++step) {
      world.Step();
      if (testing::Test::HasFatalFailure()) FAIL() << "seed " << seed << ", step " << step;
    }
    world.Want(1 + seed % 7);
    world.Rest();
    const std::size_t shards = world.wanted().size();
    ASSERT_EQ(world.consumed(), std::min<std::size_t>(shards, prefetch)) << "seed " << seed;
    if (shards <= prefetch) {
      ASSERT_EQ(world.granted(), prefetch) << "seed " << seed;
    }
    for (const std::string& queue : world.wanted()) ASSERT_TRUE(world.visited().contains(queue)) << "seed " << seed;
  }
}

TEST(Subscriptions, ComeToRestWhenAnswersComeOneByOne) {
  for (unsigned seed = 0; seed < 2000; ++seed) {
    std::mt19937 random(seed);
    const std::uint32_t prefetch = 8 + random() % 120;
    Subscriptions subject(prefetch);
    std::deque<std::pair<bool, Subscriptions::Number>> answers;  // Whether it is a consume-ok.
    std::map<Subscriptions::Number, Subscriptions::Open> open;
    std::size_t steps = 0;
    const auto plan = [&] {
      const auto todo = subject.Plan(Time{});
      for (const auto number : todo.close) answers.emplace_back(false, number);
      for (const auto& each : todo.open) answers.emplace_back(true, each.number);
      for (const auto& each : todo.open) open[each.number] = each;
      steps += todo.close.size() + todo.open.size();
      std::uint32_t sum = 0;
      for (const auto& [number, each] : open) sum += each.prefetch;
      ASSERT_LE(sum, prefetch) << seed;
    };
    const auto answer = [&] {
      const auto [opened, number] = answers.front();
      answers.pop_front();
      opened ? subject.OnOpened(number) : subject.OnClosed(number);
      if (!opened) open.erase(number);
      plan();
    };
    std::vector<std::string> wanted;
    for (int change = 0; change < 6; ++change) {
      wanted.clear();
      for (int shard = 0; shard < 8; ++shard) {
        if (random() % 2 == 0) wanted.push_back("q" + std::to_string(shard));
      }
      subject.Want(wanted, Time{});
      plan();
      for (auto count = random() % 12; count > 0 && !answers.empty(); --count) answer();
    }
    for (steps = 0; steps < 100 && !answers.empty();) answer();
    ASSERT_TRUE(answers.empty()) << "with seed " << seed << " shares go round for ever";
    ASSERT_EQ(open.size(), wanted.size()) << seed;
  }
}

TEST(Subscriptions, TakeEveryShardWithoutALimit) {
  Subscriptions subject(0);
  const Time now{};
  subject.Want({"a", "b", "c"}, now);
  const auto steps = subject.Plan(now);
  ASSERT_EQ(steps.open.size(), 3u);
  EXPECT_EQ(steps.open[0].prefetch, 0);
  EXPECT_FALSE(subject.next());
}

TEST(Subscriptions, OfAnExclusiveConsumerAreAllShardsWhateverThePrefetch) {
  Subscriptions subject(2, true);
  const Time now{};
  subject.Want({"a", "b", "c"}, now);
  ASSERT_EQ(subject.Plan(now).open.size(), 3u);
  EXPECT_FALSE(subject.next());
  subject.Want({"a", "b", "c", "d"}, now);
  const auto steps = subject.Plan(now);
  EXPECT_EQ(steps.open.size(), 1u);
  EXPECT_TRUE(steps.close.empty());
}

TEST(Subscriptions, RotateMoreSlowlyTheLongerNothingComes) {
  Subscriptions subject(1);
  Time now{};
  subject.Want({"a", "b"}, now);
  int turns = 0;
  std::chrono::milliseconds passed{0}, last_pause{0};
  auto opened = subject.Plan(now).open.at(0).number;
  for (; turns < 20; ++turns) {
    subject.OnOpened(opened);
    const auto next = subject.next();
    ASSERT_TRUE(next);
    last_pause = std::chrono::duration_cast<std::chrono::milliseconds>(*next - now);
    now = *next;
    passed += last_pause;
    subject.Wake();
    ASSERT_EQ(subject.Plan(now).close.size(), 1u);
    subject.OnClosed(opened);
    opened = subject.Plan(now).open.at(0).number;
  }
  EXPECT_EQ(last_pause * 2, kLongestRound) << "a round of two shards";
}

}  // namespace
}  // namespace warren::gateway
