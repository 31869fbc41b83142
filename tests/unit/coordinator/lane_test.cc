// What counts as "not there any more" when something is taken away.
#include "coordinator/lane.h"

#include <gtest/gtest.h>

namespace warren::coordinator {
namespace {

TEST(IsGone, IsTrueForWhatIsNotThereAndFalseForQueuesWhoseNodeIsDown) {
  EXPECT_TRUE(IsGone({ErrorCode::kNotFound, "NOT_FOUND - no queue 'x' in vhost '/' (404)", {}}));
  EXPECT_TRUE(IsGone({ErrorCode::kNotFound, "NOT_FOUND - no exchange 'x' in vhost '/' (404)", {}}));
  EXPECT_FALSE(
      IsGone({ErrorCode::kNotFound,
              "NOT_FOUND - home node 'rabbit2@host' of durable queue 'x' in vhost '/' is down or inaccessible (404)",
              {}}));
  EXPECT_FALSE(IsGone({ErrorCode::kConflict, "PRECONDITION_FAILED - queue 'x' in vhost '/' not empty (406)", {}}));
}

}  // namespace
}  // namespace warren::coordinator
