// Names and help texts of the worker's metrics.
#include "proxy/worker/worker_metrics.h"

#include <string>

#include "shardmgr/program/metrics.h"

namespace warren::worker {
namespace {

constexpr SourceKind kSources[] = {SourceKind::kCoordinator, SourceKind::kManagement, SourceKind::kProbe};

prometheus::Histogram& Latency(prometheus::Registry& registry, const char* name, const char* help,
                               const prometheus::Labels& labels) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add(
      labels, prometheus::Histogram::BucketBoundaries(program::LatencyBuckets()));
}

prometheus::Counter& Count(prometheus::Registry& registry, const char* name, const char* help,
                           const prometheus::Labels& labels) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add(labels);
}

prometheus::Gauge& Level(prometheus::Registry& registry, const char* name, const char* help,
                         const prometheus::Labels& labels) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add(labels);
}

}  // namespace

std::string_view Name(SourceKind source) {
  switch (source) {
    case SourceKind::kCoordinator: return "coordinator";
    case SourceKind::kManagement: return "management";
    case SourceKind::kProbe: return "probe";
  }
  return "unknown";
}

WorkerMetrics::WorkerMetrics(prometheus::Registry& registry, std::string_view vhost, std::string_view exchange)
    : labels_({{"vhost", std::string(vhost)}, {"exchange", std::string(exchange)}}),
      requests_(prometheus::BuildCounter()
                    .Name("warren_worker_requests_total")
                    .Help("Requests answered, by HTTP status.")
                    .Register(registry)),
      work_seconds(Latency(registry, "warren_worker_work_seconds", "From taking a request to its answer.", labels_)),
      queue_seconds(Latency(registry, "warren_worker_queue_seconds",
                            "From the proxy publishing a request to taking it.", labels_)),
      in_flight(Level(registry, "warren_worker_in_flight", "Requests being worked on.", labels_)),
      shards(Level(registry, "warren_worker_shards", "Shards consumed.", labels_)),
      redelivered(Count(registry, "warren_worker_redelivered_total", "Requests delivered more than once.", labels_)),
      expired(Count(registry, "warren_worker_expired_total", "Requests dropped after their deadline.", labels_)),
      malformed(Count(registry, "warren_worker_malformed_total", "Messages that were no requests.", labels_)),
      accepted(Count(registry, "warren_worker_accepted_total",
                     "Requests that took so long that the proxy was told where to cancel them.", labels_)),
      claimed(Count(registry, "warren_worker_claimed_total",
                    "Requests run only after the proxy said so, for another worker might have had them.", labels_)),
      cancelled(
          Count(registry, "warren_worker_cancelled_total", "Requests given up since nobody waited any more.", labels_)),
      connects(Count(registry, "warren_worker_connects_total", "Broker connections opened.", labels_)),
      connection_failures(Count(registry, "warren_worker_connection_failures_total",
                                "Broker connections lost, and attempts that failed.", labels_)) {
  for (const SourceKind each : kSources) {
    prometheus::Labels labels = labels_;
    labels["source"] = Name(each);
    sources_.at(static_cast<std::size_t>(each)) =
        &Level(registry, "warren_worker_assignment_source",
               "1 for where the worker knows from what to consume: a coordinator's assignment, the management API, or "
               "probes of its node's shards.",
               labels);
  }
}

void WorkerMetrics::SetSource(std::optional<SourceKind> source) {
  for (const SourceKind each : kSources) sources_.at(static_cast<std::size_t>(each))->Set(each == source ? 1 : 0);
}

// Looking a counter up by its labels costs more than all else that is counted for a request.
void WorkerMetrics::CountRequest(int status) {
  auto& known = by_status_.at(static_cast<std::size_t>(status));
  prometheus::Counter* counter = known.load(std::memory_order_acquire);
  if (counter == nullptr) {
    prometheus::Labels labels = labels_;
    labels["status"] = std::to_string(status);
    counter = &requests_.Add(labels);
    known.store(counter, std::memory_order_release);
  }
  counter->Increment();
}

}  // namespace warren::worker
