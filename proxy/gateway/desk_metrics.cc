// Names and helps of the desk's series.
#include "proxy/gateway/desk_metrics.h"

namespace warren::gateway {
namespace {

prometheus::Counter& Count(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

}  // namespace

DeskMetrics::DeskMetrics(prometheus::Registry& registry)
    : looks(Count(registry, "warren_gateway_looks_total", "Times that queues and bindings were read.")),
      look_failures(Count(registry, "warren_gateway_look_failures_total",
                          "Times that queues and bindings could not be read from the management API.")),
      consumers_(prometheus::BuildGauge()
                     .Name("warren_gateway_stream_consumers")
                     .Help("Consumers of streams at this gateway that consume this shard.")
                     .Register(registry)),
      nodes_(prometheus::BuildGauge()
                 .Name("warren_gateway_node_up")
                 .Help("1 while the gateway has a connection of its own to this node.")
                 .Register(registry)) {
  auto& sources = prometheus::BuildGauge()
                      .Name("warren_gateway_assignment_source")
                      .Help(
                          "Groups of consumers, by where the gateway knows from what they are to consume: a "
                          "coordinator's assignment, or its own view of the cluster.")
                      .Register(registry);
  assigned_ = &sources.Add({{"source", "coordinator"}});
  others_ = &sources.Add({{"source", "own"}});
}

void DeskMetrics::SetNodeUp(const std::string& address, bool up) { nodes_.Add({{"node", address}}).Set(up ? 1 : 0); }

void DeskMetrics::CountConsumer(const GroupKey& stream, const std::string& queue, int change) {
  const Shard shard(stream.vhost, stream.exchange, queue);
  prometheus::Gauge*& gauge = by_shard_[shard];
  if (gauge == nullptr) {
    gauge = &consumers_.Add({{"vhost", stream.vhost}, {"exchange", stream.exchange}, {"queue", queue}});
  }
  gauge->Increment(change);
  if (gauge->Value() > 0) return;
  consumers_.Remove(gauge);
  by_shard_.erase(shard);
}

void DeskMetrics::SetGroups(std::size_t assigned, std::size_t others) {
  assigned_->Set(static_cast<double>(assigned));
  others_->Set(static_cast<double>(others));
}

}  // namespace warren::gateway
