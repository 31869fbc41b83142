// The proxy's metrics (prefix warren_proxy_). The I/O threads keep counters as plain atomics; ProxyCollector
// reads and adds them up at scrape time. Finished requests are request_metrics.h. docs/man/warren-proxy.1
// lists them all, docs/operations.md says what to make of them.
#pragma once

#include <prometheus/collectable.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "proxy/http/dispatcher.h"
#include "proxy/http/limits.h"
#include "proxy/http/request_metrics.h"

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
  DispatcherStats::Count shed_requests{0}, shed_bytes{0}, shed_answers{0};  ///< 503 or 502 for want of room.
  DispatcherStats::Count abandoned{0};                                      ///< The client left before its answer.
  DispatcherStats::Count accept_full{0}, accept_failed{0};                  ///< Pauses of accepting.
  std::atomic<std::int64_t> open_connections{0};
  std::atomic<bool> publish_up{false}, replies_up{false}, blocked{false}, exchange_missing{false};
  LastTrouble publish_trouble, replies_trouble;
};

/// Builds the series of all I/O threads' counters when Prometheus asks.
class ProxyCollector : public prometheus::Collectable {
 public:
  ProxyCollector(std::string exchange, std::vector<std::shared_ptr<LaneStats>> lanes,
                 std::vector<std::shared_ptr<RequestMetrics>> requests, std::shared_ptr<Limits> limits,
                 std::function<std::uint64_t()> dropped_log_lines);
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::string exchange_;
  std::vector<std::shared_ptr<LaneStats>> lanes_;
  std::vector<std::shared_ptr<RequestMetrics>> requests_;
  std::shared_ptr<Limits> limits_;
  std::function<std::uint64_t()> dropped_log_lines_;
};

}  // namespace warren::proxy
