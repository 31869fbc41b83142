// Telemetry: the coordinator's metrics. Counters and histograms of the loop live in the registry;
// everything about the cluster is made from the snapshot at scrape time, so that series of streams and
// nodes that are gone vanish. Safe from any thread.
#pragma once

#include <memory>

#include "coordinator/reconciler.h"
#include "shardmgr/program/admin_server.h"
#include "shardmgr/program/metrics.h"

namespace warren::coordinator {

/// Registers all metrics and listens to the reconciler, which must outlive the metrics' last scrape. It keeps the
/// metrics as long as it lives: what it has under way may end when nobody scrapes any more.
void RegisterTelemetry(const std::shared_ptr<program::Metrics>& metrics, Reconciler& reconciler);

/// Ready: the cluster was observed, and the observation is not older than three intervals while
/// newer attempts fail, whether it leads or not. Says `role` (LeaseStatus::ToString(); empty: nothing) and where it
/// polls instead of hearing events. Pure.
program::Readiness CoordinatorReadiness(const Snapshot& snapshot, const EventStatus& events, std::int64_t now_ms,
                                        std::chrono::milliseconds interval, std::string_view role = {});

/// The families made from a snapshot; for tests.
std::vector<prometheus::MetricFamily> CollectSnapshot(const Snapshot& snapshot, std::int64_t now_ms);

}  // namespace warren::coordinator
