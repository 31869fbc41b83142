// Names, labels and help of the proxy's metrics; see the header.
#include "proxy/http/metrics.h"

#include <algorithm>
#include <string>

#include "shardmgr/program/metric_families.h"

namespace warren::proxy {
using program::Families;

ProxyCollector::ProxyCollector(std::string exchange, std::vector<std::shared_ptr<LaneStats>> lanes,
                               std::vector<std::shared_ptr<RequestMetrics>> requests, std::shared_ptr<Limits> limits,
                               std::function<std::uint64_t()> dropped_log_lines)
    : exchange_(std::move(exchange)),
      lanes_(std::move(lanes)),
      requests_(std::move(requests)),
      limits_(std::move(limits)),
      dropped_log_lines_(std::move(dropped_log_lines)) {}

std::vector<prometheus::MetricFamily> ProxyCollector::Collect() const {
  const auto sum = [this](auto member) {
    double total = 0;
    for (const auto& lane : lanes_) total += static_cast<double>(member(*lane).load(std::memory_order_relaxed));
    return total;
  };
#define WARREN_SUM(member) sum([&](const LaneStats& lane) -> const auto& { return lane.member; })
  constexpr auto kCounter = prometheus::MetricType::Counter;
  constexpr auto kGauge = prometheus::MetricType::Gauge;
  Families out;
  out.Gauge("warren_proxy_requests_in_flight", "Requests published or waiting to be.",
            WARREN_SUM(dispatcher.in_flight));
  out.Gauge("warren_proxy_bytes_in_flight", "Bytes of bodies held.", static_cast<double>(limits_->bytes.used()));
  out.Gauge("warren_proxy_connections", "Client connections open.", WARREN_SUM(open_connections));
  out.Counter("warren_proxy_connections_total", "Client connections accepted.", WARREN_SUM(connections));
  out.Counter("warren_proxy_refused_requests_total", "Requests refused as malformed or too large.",
              WARREN_SUM(refused));
  out.Labelled(kCounter, "warren_proxy_body_bytes_total", "Bytes of bodies, by direction.", "direction",
               {{"in", WARREN_SUM(bytes_in)}, {"out", WARREN_SUM(bytes_out)}});
  out.Counter("warren_proxy_publishings_total", "Messages published.", WARREN_SUM(dispatcher.publishings));
  out.Counter("warren_proxy_retries_total", "Requests published again.", WARREN_SUM(dispatcher.retries));
  out.Counter("warren_proxy_returns_total", "Messages returned: no shard was bound.", WARREN_SUM(dispatcher.returns));
  out.Counter("warren_proxy_nacks_total", "Messages that the broker refused.", WARREN_SUM(dispatcher.nacks));
  out.Counter("warren_proxy_blocked_requests_total", "Requests answered 503 during a broker's alarm.",
              WARREN_SUM(dispatcher.blocked));
  out.Counter("warren_proxy_deadlines_total", "Requests without an answer in time.", WARREN_SUM(dispatcher.deadlines));
  out.Labelled(kCounter, "warren_proxy_dead_letters_total", "Requests that came back as dead letters.", "reason",
               {{"rejected", WARREN_SUM(dispatcher.dead_rejected)},
                {"maxlen", WARREN_SUM(dispatcher.dead_maxlen)},
                {"delivery_limit", WARREN_SUM(dispatcher.dead_delivery_limit)},
                {"expired", WARREN_SUM(dispatcher.dead_expired)}});
  out.Labelled(kCounter, "warren_proxy_shed_total", "Requests refused, or answers dropped, at a limit.", "reason",
               {{"requests", WARREN_SUM(shed_requests)},
                {"bytes", WARREN_SUM(shed_bytes)},
                {"answer_bytes", WARREN_SUM(shed_answers)}});
  out.Counter("warren_proxy_abandoned_total", "Requests whose client left before it had its answer.",
              WARREN_SUM(abandoned));
  out.Labelled(kCounter, "warren_proxy_accept_pauses_total", "Times that accepting clients paused.", "reason",
               {{"connections", WARREN_SUM(accept_full)}, {"error", WARREN_SUM(accept_failed)}});
  auto& failures = out.Family(kCounter, "warren_proxy_failures_total", "Answers that the proxy made itself, by cause.");
  for (std::size_t i = 0; i < kCauses.size(); ++i) {
    failures.push_back(Families::Value(kCounter, WARREN_SUM(dispatcher.failures[i])));
    failures.back().label.push_back({"cause", kCauses[i].label});
  }
  const double late = WARREN_SUM(dispatcher.late_replies);
  out.Labelled(kCounter, "warren_proxy_dropped_replies_total",
               "Replies dropped: late, duplicate or of no request; malformed.", "reason",
               {{"late", late},
                {"unknown", std::max(WARREN_SUM(dispatcher.unknown_replies) - late, 0.0)},
                {"malformed", WARREN_SUM(dispatcher.malformed_replies)}});
  out.Counter("warren_proxy_accepts_total", "Workers' messages that they have been working on a request for a while.",
              WARREN_SUM(dispatcher.accepts));
  out.Counter("warren_proxy_cancels_total", "Workers told that nobody waits for their answer any more.",
              WARREN_SUM(dispatcher.cancels));
  out.Labelled(kCounter, "warren_proxy_claims_total", "Workers' questions whether they may run a request.", "answer",
               {{"granted", WARREN_SUM(dispatcher.grants)}, {"refused", WARREN_SUM(dispatcher.claims_refused)}});
  out.Labelled(kCounter, "warren_proxy_reconnects_total", "Connections to the broker made again.", "link",
               {{"publish", WARREN_SUM(publish_reconnects)}, {"consume", WARREN_SUM(consume_reconnects)}});
  out.Labelled(kGauge, "warren_proxy_links_up", "Broker connections ready, of all I/O threads.", "link",
               {{"publish", WARREN_SUM(publish_up)}, {"consume", WARREN_SUM(replies_up)}});
  out.Gauge("warren_proxy_links_blocked", "Publishing connections blocked by an alarm.", WARREN_SUM(blocked));
  out.Counter("warren_proxy_nodes_lost_total", "Times that the connection to a node dropped.",
              WARREN_SUM(dispatcher.nodes_lost) / static_cast<double>(lanes_.empty() ? 1 : lanes_.size()));
  out.Counter("warren_proxy_access_log_dropped_total", "Access log lines dropped.",
              static_cast<double>(dropped_log_lines_()));
#undef WARREN_SUM
  auto families = out.Take();
  for (auto& family : RequestMetrics::Collect(requests_, exchange_)) families.push_back(std::move(family));
  return families;
}

}  // namespace warren::proxy
