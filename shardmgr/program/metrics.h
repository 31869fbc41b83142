// Metrics: what one program exposes to Prometheus: its registry, collectors that build their series
// at scrape time, and what every program tells about itself (build, CPU, memory, files, start time).
//
// Keep `T&` of a metric made once with prometheus::BuildCounter() … .Register(metrics.registry());
// updating it is safe from any thread and needs no lock of ours.
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/registry.h>

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace warren::program {

class Metrics {
 public:
  /// Registers warren_build_info{program,version} and the process_* metrics.
  explicit Metrics(std::string_view program);

  prometheus::Registry& registry() { return *registry_; }

  /// Adds a collector: its series are asked for at each scrape, from the admin server's thread.
  void Register(std::shared_ptr<prometheus::Collectable> collector);

  /// Everything in Prometheus' text format 0.0.4. Safe from any thread.
  std::string Serialize() const;

 private:
  std::shared_ptr<prometheus::Registry> registry_;
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<prometheus::Collectable>> collectors_;
};

/// Upper bounds in seconds for latency histograms: 0.5 ms to 60 s, the same in every program.
std::vector<double> LatencyBuckets();

}  // namespace warren::program
