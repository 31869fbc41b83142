// How long metrics live: the coordinator may still have something under way when nobody scrapes any more.
#include "coordinator/telemetry.h"

#include <gtest/gtest.h>

namespace warren::coordinator {
namespace {

TEST(Telemetry, LivesAsLongAsWhoCounts) {
  ReconcilerOptions options;
  options.management.urls = {"http://127.0.0.1:1"};
  auto reconciler = std::make_unique<Reconciler>(options);
  auto metrics = std::make_shared<program::Metrics>("warren-coordinator");
  const std::weak_ptr<program::Metrics> watched = metrics;
  RegisterTelemetry(metrics, *reconciler);
  metrics = nullptr;
  EXPECT_FALSE(watched.expired());
  reconciler = nullptr;
  EXPECT_TRUE(watched.expired());
}

}  // namespace
}  // namespace warren::coordinator
