// The proxy's metrics (prefix warren_proxy_). Counters that the I/O threads keep as plain atomics are
// read at scrape time (ProxyCollector); histograms and requests by status are prometheus-cpp's, made once.
// docs/man/warren-proxy.1 lists them.
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/histogram.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/http/dispatcher.h"
#include "proxy/http/limits.h"
#include "shardmgr/program/metrics.h"

namespace warren::proxy {

/// Why there is no connection at the moment, for people. Set by the I/O thread, read by any.
class LastTrouble {
 public:
  void Set(std::string text) {
    const std::lock_guard lock(mutex_);
    text_ = std::move(text);
  }
  std::string Get() const {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  mutable std::mutex mutex_;
  std::string text_ = "not connected yet";
};

/// Counters of one I/O thread beside the dispatcher's.
struct LaneStats {
  DispatcherStats dispatcher;
  DispatcherStats::Count bytes_in{0}, bytes_out{0}, connections{0}, refused{0};
  DispatcherStats::Count publish_reconnects{0}, consume_reconnects{0};
  std::atomic<std::int64_t> open_connections{0};
  std::atomic<bool> publish_up{false}, replies_up{false}, blocked{false}, exchange_missing{false};
  LastTrouble publish_trouble, replies_trouble;
};

/// One finished request.
struct RequestSample {
  std::string_view method;
  int status = 0;
  std::int64_t total_us = 0;
  std::int64_t queue_us = -1, work_us = -1;  ///< -1: unknown.
};

/// Requests by method and status, and latencies. One per I/O thread: looks up series without a lock.
class RequestMetrics {
 public:
  explicit RequestMetrics(program::Metrics& metrics);
  void Observe(const RequestSample& sample);

 private:
  static constexpr std::size_t kMethods = 9;
  prometheus::Counter& Requests(std::size_t method, int status);

  prometheus::Family<prometheus::Counter>& requests_;
  std::array<std::array<prometheus::Counter*, 500>, kMethods> counters_{};
  prometheus::Histogram& total_;
  prometheus::Histogram& queue_;
  prometheus::Histogram& work_;
};

/// Builds the series of all I/O threads' counters when Prometheus asks.
class ProxyCollector : public prometheus::Collectable {
 public:
  ProxyCollector(std::vector<std::shared_ptr<LaneStats>> lanes, std::shared_ptr<Limits> limits,
                 std::function<std::uint64_t()> dropped_log_lines);
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  std::vector<std::shared_ptr<LaneStats>> lanes_;
  std::shared_ptr<Limits> limits_;
  std::function<std::uint64_t()> dropped_log_lines_;
};

}  // namespace warren::proxy
