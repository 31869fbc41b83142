// Requests by method and status, latencies by node and phase, kept by one I/O thread: plain atomics with one
// writer, so that a finished request costs neither a lock nor an allocation (but for a node seen first).
// ProxyCollector adds up the threads' when Prometheus asks.
//
// Threads: Observe on the I/O thread; the rest on any.
#pragma once

#include <prometheus/metric_family.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace warren::proxy {

/// Where the time of a request went.
enum class Phase : std::uint8_t {
  kTotal,      ///< From its complete head to the last byte of its answer.
  kQueue,      ///< From its last publishing until a worker took it, as the worker tells.
  kWork,       ///< From then until the worker's answer, as the worker tells.
  kTransport,  ///< The rest of the time between its dispatch and its answer: brokers, networks, earlier publishings.
};
inline constexpr std::array<const char*, 4> kPhases = {"total", "queue", "work", "transport"};

/// One finished request. Times in microseconds, -1: unknown.
struct RequestSample {
  std::string_view method;
  int status = 0;
  std::string_view node;  ///< As the worker tells; empty: answered by the proxy itself, or not told.
  std::int64_t total_us = 0;
  std::int64_t queue_us = -1, work_us = -1;
  std::int64_t answered_us = -1;  ///< From dispatch to answer.
};

/// A histogram with one writer. Bounds are program::LatencyBuckets().
class Latency {
 public:
  static constexpr std::size_t kBounds = 16;
  void Observe(std::int64_t microseconds);

  /// What one or several of them hold.
  struct Sum {
    std::array<std::uint64_t, kBounds + 1> buckets{};
    std::uint64_t sum_us = 0;
    prometheus::ClientMetric::Histogram AsHistogram() const;
  };
  void AddTo(Sum& sum) const;

 private:
  std::array<std::atomic<std::uint64_t>, kBounds + 1> buckets_{};
  std::atomic<std::uint64_t> sum_us_{0};
};

class RequestMetrics {
 public:
  static constexpr std::size_t kMaxNodes = 64;  ///< Told apart; further ones are "other".

  RequestMetrics();
  void Observe(const RequestSample& sample);

  /// Families of all threads' requests; `exchange` is a label of the latencies.
  static std::vector<prometheus::MetricFamily> Collect(const std::vector<std::shared_ptr<RequestMetrics>>& threads,
                                                       const std::string& exchange);

 private:
  static constexpr std::size_t kMethods = 9, kStatuses = 500;
  struct Node {
    explicit Node(std::string_view label) : name(label) {}
    const std::string name;
    std::array<Latency, kPhases.size()> phases;
  };
  using NodeSums = std::map<std::string, std::array<Latency::Sum, kPhases.size()>>;

  Node& Find(std::string_view name);
  void AddTo(NodeSums& sums) const;

  std::array<std::array<std::atomic<std::uint64_t>, kStatuses>, kMethods> requests_{};
  std::array<std::unique_ptr<Node>, kMaxNodes + 2> nodes_;  ///< [0] "none", [1] "other".
  std::atomic<std::size_t> node_count_{2};
  std::size_t last_ = 0;  ///< Where the last sample's node was.
};

}  // namespace warren::proxy
