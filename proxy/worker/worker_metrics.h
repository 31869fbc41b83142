// What a worker counts. Updating is safe from any thread.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <atomic>
#include <optional>
#include <string_view>

namespace warren::worker {

/// Where a worker knows from what to consume (shard_source.h).
enum class SourceKind { kCoordinator, kManagement, kProbe };
/// As labels and logs name it.
std::string_view Name(SourceKind source);

class WorkerMetrics {
 public:
  /// Registers everything under warren_worker_; `exchange` is the label of the stream.
  WorkerMetrics(prometheus::Registry& registry, std::string_view vhost, std::string_view exchange);

  void CountRequest(int status);
  /// Where what is consumed is known from now; nothing: from nowhere.
  void SetSource(std::optional<SourceKind> source);

 private:
  prometheus::Labels labels_;
  prometheus::Family<prometheus::Counter>& requests_;
  std::array<std::atomic<prometheus::Counter*>, 600> by_status_{};  ///< Those that were needed so far.
  std::array<prometheus::Gauge*, 3> sources_{};                     ///< By SourceKind.

 public:
  prometheus::Histogram& work_seconds;
  prometheus::Histogram& queue_seconds;
  prometheus::Gauge& in_flight;
  prometheus::Gauge& shards;
  prometheus::Counter& redelivered;
  prometheus::Counter& expired;
  prometheus::Counter& malformed;
  prometheus::Counter& accepted;
  prometheus::Counter& claimed;
  prometheus::Counter& cancelled;
  prometheus::Counter& connects;
  prometheus::Counter& connection_failures;
};

}  // namespace warren::worker
