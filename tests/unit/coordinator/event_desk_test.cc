// What the desk keeps for the loop: unbindings that others did, and that something happened.
#include "coordinator/event_desk.h"

#include <gtest/gtest.h>

#include "shardmgr/plan/naming.h"

namespace warren::coordinator {
namespace {

class EventDeskTest : public ::testing::Test {
 protected:
  EventDeskTest() : pool_({}), applier_(pool_), desk_(applier_, waker_, [](const StreamOutcome&) {}) {}

  static ClusterEvent Unbound(const std::string& queue, const std::string& key) {
    ClusterEvent event;
    event.kind = "binding.deleted";
    event.vhost = "/";
    event.source = "web";
    event.destination = queue;
    event.routing_key = key;
    return event;
  }
  static Plan Unbinding(const std::string& queue, const std::string& key) {
    Action action;
    action.kind = ActionKind::kUnbindShard;
    action.vhost = "/";
    action.exchange = "web";
    action.queue = queue;
    action.routing_key = key;
    StreamPlan stream;
    stream.actions = {action};
    Plan plan;
    plan.streams = {stream};
    return plan;
  }
  bool Woken() {
    const auto began = Waker::Clock::now();
    waker_.SleepUntil(began + std::chrono::seconds(20));
    return Waker::Clock::now() < began + std::chrono::seconds(20);
  }

  const std::string queue_ = ShardName("web", "a@h", 0);
  NodePool pool_;
  Applier applier_;
  Waker waker_;
  EventDesk desk_;
};

TEST_F(EventDeskTest, KeepsWhichBindingsOfShardsOthersDeleted) {
  desk_.OnEvent(Unbound(queue_, "1"));
  desk_.OnEvent(Unbound("somebody's", "1"));
  const auto unbound = desk_.TakeUnbindings();
  ASSERT_EQ(unbound.size(), 1u);
  EXPECT_EQ(unbound[0], (EventDesk::Unbound{"/", {"web"}, queue_, "1"}));
  EXPECT_TRUE(desk_.TakeUnbindings().empty());
}

TEST_F(EventDeskTest, ItsOwnUnbindingsAreNoNewsAndEachCountsOnce) {
  desk_.ExpectUnbindings(Unbinding(queue_, "1"));
  desk_.OnEvent(Unbound(queue_, "2"));
  desk_.OnEvent(Unbound(queue_, "1"));
  desk_.OnEvent(Unbound(queue_, "1"));
  const auto unbound = desk_.TakeUnbindings();
  ASSERT_EQ(unbound.size(), 2u);
  EXPECT_EQ(unbound[0].routing_key, "2");
  EXPECT_EQ(unbound[1].routing_key, "1");
}

TEST_F(EventDeskTest, WakesTheLoopForWhatMattersAndForEverythingWhileNothingIsKnown) {
  desk_.OnEvent(Unbound("somebody's", "1"));
  EXPECT_TRUE(Woken());
  waker_.Looked(Waker::Clock::now(), Waker::Clock::now());
  auto basis = std::make_shared<PlanBasis>();
  basis->catalog = policies::Catalog::Build({});
  desk_.SetBasis(basis);
  desk_.OnEvent(Unbound("somebody's", "1"));
  desk_.OnEvent(Unbound(queue_, "1"));
  EXPECT_TRUE(Woken());
}

TEST_F(EventDeskTest, AnUnmatchedEventDoesNotWakeTheLoop) {
  auto basis = std::make_shared<PlanBasis>();
  basis->catalog = policies::Catalog::Build({});
  desk_.SetBasis(basis);
  desk_.OnEvent(Unbound("somebody's", "1"));
  const auto until = Waker::Clock::now() + std::chrono::milliseconds(400);
  waker_.SleepUntil(until);
  EXPECT_GE(Waker::Clock::now(), until);
}

}  // namespace
}  // namespace warren::coordinator
