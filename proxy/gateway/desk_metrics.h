// DeskMetrics: what the desk tells Prometheus. Safe from any thread.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <map>
#include <string>
#include <tuple>

#include "proxy/gateway/groups.h"

namespace warren::gateway {

class DeskMetrics {
 public:
  explicit DeskMetrics(prometheus::Registry& registry);

  prometheus::Counter& looks;
  prometheus::Counter& look_failures;

  void SetNodeUp(const std::string& address, bool up);
  /// A consumer more or less on this shard; the series goes with the last.
  void CountConsumer(const GroupKey& stream, const std::string& queue, int change);
  /// Groups that a coordinator tells what to consume, and those that go by their own view.
  void SetGroups(std::size_t assigned, std::size_t others);

 private:
  using Shard = std::tuple<std::string, std::string, std::string>;  // virtual host, exchange, queue

  prometheus::Family<prometheus::Gauge>& consumers_;
  prometheus::Family<prometheus::Gauge>& nodes_;
  prometheus::Gauge* assigned_;
  prometheus::Gauge* others_;
  std::map<Shard, prometheus::Gauge*> by_shard_;
};

}  // namespace warren::gateway
