// Names, labels and help of the gateway's metrics; see the header.
#include "proxy/gateway/gateway_metrics.h"

#include "shardmgr/program/metric_families.h"

namespace warren::gateway {

using program::Families;
using prometheus::MetricType;

std::string_view NameOf(CloseReason reason) {
  constexpr std::array<std::string_view, static_cast<std::size_t>(CloseReason::kCount)> kNames = {
      "closed", "client", "broker", "no_node", "handshake_timeout", "shutdown", "frame_too_long"};
  return kNames[static_cast<std::size_t>(reason)];
}

void LaneStats::AddTally(const Tally& now, Tally& before) {
  Add(client_frames, now.client_frames - before.client_frames);
  Add(broker_frames, now.broker_frames - before.broker_frames);
  for (std::size_t i = 0; i < rewrites.size(); ++i) {
    if (now.rewrites[i] != before.rewrites[i]) Add(rewrites[i], now.rewrites[i] - before.rewrites[i]);
  }
  if (now.refusals != before.refusals) Add(refusals, now.refusals - before.refusals);
  if (now.protocol_errors != before.protocol_errors) Add(protocol_errors, now.protocol_errors - before.protocol_errors);
  if (now.channels != before.channels) Add(channels, std::uint64_t{now.channels} - before.channels);
  if (now.consumers != before.consumers) Add(consumers, std::uint64_t{now.consumers} - before.consumers);
  before = now;
}

GatewayCollector::GatewayCollector(std::vector<std::shared_ptr<LaneStats>> lanes, std::shared_ptr<AcceptStats> accepts,
                                   std::shared_ptr<Upstreams> upstreams)
    : lanes_(std::move(lanes)), accepts_(std::move(accepts)), upstreams_(std::move(upstreams)) {}

std::vector<prometheus::MetricFamily> GatewayCollector::Collect() const {
  const auto sum = [this](auto member) {
    std::uint64_t total = 0;
    for (const auto& lane : lanes_) total += member(*lane).load(std::memory_order_relaxed);
    return static_cast<double>(total);
  };
#define WARREN_SUM(member) sum([&](const LaneStats& lane) -> const Count& { return lane.member; })
  Families out;
  Families::Labelled1 connections, failures, closes, rewrites;
  for (std::size_t i = 0; i < upstreams_->size(); ++i) {
    const std::string name = upstreams_->node(i).ToString();
    connections.emplace_back(name, static_cast<double>(upstreams_->clients(i)));
    failures.emplace_back(name, static_cast<double>(upstreams_->failures(i)));
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(CloseReason::kCount); ++i) {
    closes.emplace_back(NameOf(static_cast<CloseReason>(i)), WARREN_SUM(closes[i]));
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(Rewrite::kCount); ++i) {
    rewrites.emplace_back(NameOf(static_cast<Rewrite>(i)), WARREN_SUM(rewrites[i]));
  }
  out.Labelled(MetricType::Gauge, "warren_gateway_connections", "Clients connected to a node.", "node", connections);
  out.Gauge("warren_gateway_handshakes", "Clients whose connection is not open yet.", WARREN_SUM(shaking));
  out.Gauge("warren_gateway_channels", "Channels that clients have open.", WARREN_SUM(channels));
  out.Gauge("warren_gateway_consumers", "Consumers of streams.", WARREN_SUM(consumers));
  out.Counter("warren_gateway_connections_total", "Client connections accepted.", WARREN_SUM(connections));
  out.Labelled(MetricType::Counter, "warren_gateway_connection_closes_total", "Client connections ended, by reason.",
               "reason", closes);
  out.Counter("warren_gateway_handshake_failures_total", "Client connections that ended before they were open.",
              WARREN_SUM(handshake_failures));
  out.Labelled(MetricType::Counter, "warren_gateway_node_connect_failures_total",
               "Attempts to connect a client to a node that failed.", "node", failures);
  out.Labelled(MetricType::Counter, "warren_gateway_frames_total", "Frames read, by who sent them.", "side",
               {{"client", WARREN_SUM(client_frames)}, {"broker", WARREN_SUM(broker_frames)}});
  out.Labelled(MetricType::Counter, "warren_gateway_bytes_total", "Bytes read and written.", "direction",
               {{"from_client", WARREN_SUM(from_client)},
                {"to_broker", WARREN_SUM(to_broker)},
                {"from_broker", WARREN_SUM(from_broker)},
                {"to_client", WARREN_SUM(to_client)}});
  out.Labelled(MetricType::Counter, "warren_gateway_rewrites_total",
               "Methods on a stream's name that were not passed as they are.", "method", rewrites);
  out.Counter("warren_gateway_refusals_total", "Channels and connections that the gateway itself closed.",
              WARREN_SUM(refusals));
  out.Counter("warren_gateway_protocol_errors_total", "Times that a client sent what is no AMQP.",
              WARREN_SUM(protocol_errors));
  out.Labelled(MetricType::Counter, "warren_gateway_accept_pauses_total", "Times that accepting clients paused.",
               "reason",
               {{"connections", static_cast<double>(accepts_->full.load(std::memory_order_relaxed))},
                {"error", static_cast<double>(accepts_->failed.load(std::memory_order_relaxed))}});
#undef WARREN_SUM
  return out.Take();
}

}  // namespace warren::gateway
