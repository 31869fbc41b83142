// Who holds the lease, as an observation shows it, and what a coordinator says of itself. The lease itself needs a
// broker: tests/integration/test_coordinators.py.
#include "coordinator/lease.h"

#include <gtest/gtest.h>

namespace warren::coordinator {
namespace {

Queue LeaseOf(nlohmann::json arguments, bool exclusive = true) {
  Queue queue;
  queue.vhost = "/";
  queue.name = "warren.lease";
  queue.exclusive = exclusive;
  queue.arguments = std::move(arguments);
  return queue;
}

TEST(FindLease, NamesItsHolder) {
  Topology observed;
  EXPECT_FALSE(FindLease(observed));
  Queue other = LeaseOf({{"x-warren-coordinator", "nobody"}});
  other.vhost = "other";
  observed.queues = {other, LeaseOf({{"x-warren-coordinator", "http://127.0.0.1:15680 on host1"}})};
  const auto lease = FindLease(observed);
  ASSERT_TRUE(lease);
  EXPECT_TRUE(lease->exclusive);
  EXPECT_EQ(lease->holder, "http://127.0.0.1:15680 on host1");
}

TEST(FindLease, TakesWhateverAQueueOfThatNameHas) {
  Topology observed;
  observed.queues = {LeaseOf({{"x-warren-coordinator", 7}}, false)};
  EXPECT_FALSE(FindLease(observed)->exclusive);
  EXPECT_EQ(FindLease(observed)->holder, "");
  observed.queues = {LeaseOf({{"x-warren-coordinator", std::string(100'000, 'x')}})};
  EXPECT_EQ(FindLease(observed)->holder.size(), 255u);
}

TEST(LeaseStatus, SaysWhatTheCoordinatorDoes) {
  EXPECT_EQ((LeaseStatus{Role::kLeader, "me", {}}.ToString()), "leads");
  EXPECT_EQ((LeaseStatus{Role::kFollower, "http://a on b", {}}.ToString()), "follows http://a on b");
  EXPECT_EQ((LeaseStatus{Role::kFollower, {}, {}}.ToString()), "follows another coordinator");
  EXPECT_EQ((LeaseStatus{Role::kAlone, {}, "no permission"}.ToString()), "acts alone: no permission");
  EXPECT_EQ((LeaseStatus{Role::kSeeking, {}, "no node answers"}.ToString()), "does not lead: no node answers");
  EXPECT_FALSE((LeaseStatus{Role::kSeeking, {}, {}}.acts()));
  EXPECT_FALSE((LeaseStatus{Role::kFollower, {}, {}}.acts()));
  EXPECT_TRUE((LeaseStatus{Role::kAlone, {}, {}}.acts()));
}

}  // namespace
}  // namespace warren::coordinator
