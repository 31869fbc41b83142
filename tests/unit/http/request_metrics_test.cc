// Series of finished requests: by node and phase, bounded in number, added up over threads.
#include "proxy/http/request_metrics.h"

#include <gtest/gtest.h>

#include <map>
#include <tuple>

namespace warren::proxy {
namespace {

class RequestMetricsTest : public ::testing::Test {
 protected:
  using Key = std::pair<std::string, std::string>;  // Node, phase.

  void Collect() {
    latencies_.clear();
    requests_.clear();
    for (const auto& family : RequestMetrics::Collect(threads_, "shard.web")) {
      for (const auto& metric : family.metric) {
        std::map<std::string, std::string> labels;
        for (const auto& label : metric.label) labels[label.name] = label.value;
        if (family.name == "warren_proxy_requests_total") {
          requests_[{labels["method"], labels["status"]}] = metric.counter.value;
        } else {
          EXPECT_EQ(family.name, "warren_proxy_request_seconds");
          EXPECT_EQ(labels["exchange"], "shard.web");
          latencies_[{labels["node"], labels["phase"]}] = metric.histogram;
        }
      }
    }
  }

  std::vector<std::shared_ptr<RequestMetrics>> threads_{std::make_shared<RequestMetrics>(),
                                                        std::make_shared<RequestMetrics>()};
  std::map<Key, prometheus::ClientMetric::Histogram> latencies_;
  std::map<Key, double> requests_;
};

TEST_F(RequestMetricsTest, SplitsTheTimeByNodeAndPhase) {
  threads_[0]->Observe({"GET", 200, "rabbit@a", 10'000, 2'000, 5'000, 8'000});
  threads_[1]->Observe({"GET", 200, "rabbit@a", 20'000, 2'000, 5'000, 8'500});
  threads_[1]->Observe({"POST", 200, "rabbit@b", 1'000, 100, 200, 900});
  Collect();
  EXPECT_EQ(latencies_.size(), 8u);
  const auto sum = [this](const char* phase) { return latencies_.at({"rabbit@a", phase}).sample_sum; };
  EXPECT_NEAR(sum("total"), 0.03, 1e-9);
  EXPECT_NEAR(sum("queue"), 0.004, 1e-9);
  EXPECT_NEAR(sum("work"), 0.01, 1e-9);
  EXPECT_NEAR(sum("transport"), 0.0025, 1e-9);
  EXPECT_EQ(latencies_.at({"rabbit@a", "total"}).sample_count, 2u);
  EXPECT_EQ((requests_[{"GET", "200"}]), 2);
  EXPECT_EQ((requests_[{"POST", "200"}]), 1);
}

TEST_F(RequestMetricsTest, CountsInTheBucketWhoseBoundIsNotBelow) {
  for (const int us : {0, 500, 501, 60'000'000, 60'000'001}) threads_[0]->Observe({"GET", 200, "a", us});
  Collect();
  const auto& total = latencies_.at({"a", "total"});
  ASSERT_EQ(total.bucket.size(), Latency::kBounds);
  EXPECT_EQ(total.bucket.front().cumulative_count, 2u);
  EXPECT_EQ(total.bucket[1].cumulative_count, 3u);
  EXPECT_EQ(total.bucket.back().cumulative_count, 4u);
  EXPECT_EQ(total.sample_count, 5u);
}

TEST_F(RequestMetricsTest, KnowsNoPhaseThatTheWorkerDidNotTell) {
  threads_[0]->Observe({"GET", 504, "", 30'000'000});
  threads_[0]->Observe({"GET", 200, "a", 30, -1, 20, 25});
  Collect();
  EXPECT_EQ(latencies_.count({"none", "total"}), 1u);
  EXPECT_EQ(latencies_.count({"a", "work"}), 1u);
  EXPECT_EQ(latencies_.size(), 3u);
}

TEST_F(RequestMetricsTest, HoldsClocksThatDisagreeAtZero) {
  threads_[0]->Observe({"GET", 200, "a", 10, 50, 5, 9});
  Collect();
  EXPECT_EQ(latencies_.at({"a", "transport"}).sample_sum, 0);
}

TEST_F(RequestMetricsTest, TellsABoundedNumberOfNodesApart) {
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 500; ++i) threads_[0]->Observe({"GET", 200, "node" + std::to_string(i), 10});
  }
  for (const char* strange : {"a b", "a\nb", "\xff"}) threads_[1]->Observe({"GET", 200, strange, 10});
  threads_[1]->Observe({"GET", 200, std::string(300, 'x'), 10});
  Collect();
  EXPECT_EQ(latencies_.size(), RequestMetrics::kMaxNodes + 1);
  EXPECT_EQ(latencies_.at({"node0", "total"}).sample_count, 2u);
  EXPECT_EQ(latencies_.at({"other", "total"}).sample_count, 2 * (500 - RequestMetrics::kMaxNodes) + 4);
}

TEST_F(RequestMetricsTest, BoundsMethodsAndStatuses) {
  for (int i = 0; i < 100; ++i) threads_[0]->Observe({"M" + std::to_string(i), 1'000 + i, "", 10});
  Collect();
  EXPECT_EQ(requests_.size(), 1u);
  EXPECT_EQ((requests_[{"other", "100"}]), 100);
}

}  // namespace
}  // namespace warren::proxy
