// Names, labels and help of the proxy's metrics; see the header.
#include "proxy/http/metrics.h"

#include <string>

namespace warren::proxy {
namespace {

constexpr std::array<std::string_view, 9> kMethodNames = {"GET",   "HEAD",    "POST",  "PUT",  "DELETE",
                                                          "PATCH", "OPTIONS", "TRACE", "other"};

std::size_t MethodIndex(std::string_view method) {
  for (std::size_t i = 0; i + 1 < kMethodNames.size(); ++i) {
    if (kMethodNames[i] == method) return i;
  }
  return kMethodNames.size() - 1;
}

prometheus::Histogram& MakeHistogram(program::Metrics& metrics, const char* name, const char* help) {
  const auto buckets = program::LatencyBuckets();
  return prometheus::BuildHistogram().Name(name).Help(help).Register(metrics.registry()).Add({}, buckets);
}

double Seconds(std::int64_t microseconds) { return static_cast<double>(microseconds) / 1e6; }

prometheus::ClientMetric Value(prometheus::MetricType type, double value) {
  prometheus::ClientMetric metric;
  if (type == prometheus::MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  return metric;
}

class Families {
 public:
  void Counter(const char* name, const char* help, double value) {
    Add(prometheus::MetricType::Counter, name, help).push_back(Value(prometheus::MetricType::Counter, value));
  }
  void Gauge(const char* name, const char* help, double value) {
    Add(prometheus::MetricType::Gauge, name, help).push_back(Value(prometheus::MetricType::Gauge, value));
  }
  /// A family with one label.
  void Labelled(prometheus::MetricType type, const char* name, const char* help, const char* label,
                std::initializer_list<std::pair<const char*, double>> values) {
    auto& metrics = Add(type, name, help);
    for (const auto& [text, value] : values) {
      metrics.push_back(Value(type, value));
      metrics.back().label.push_back({label, text});
    }
  }
  std::vector<prometheus::MetricFamily> Take() { return std::move(families_); }

 private:
  std::vector<prometheus::ClientMetric>& Add(prometheus::MetricType type, const char* name, const char* help) {
    prometheus::MetricFamily family;
    family.name = name;
    family.help = help;
    family.type = type;
    families_.push_back(std::move(family));
    return families_.back().metric;
  }
  std::vector<prometheus::MetricFamily> families_;
};

}  // namespace

RequestMetrics::RequestMetrics(program::Metrics& metrics)
    : requests_(prometheus::BuildCounter()
                    .Name("warren_proxy_requests_total")
                    .Help("Requests answered, by method and status.")
                    .Register(metrics.registry())),
      total_(MakeHistogram(metrics, "warren_proxy_request_duration_seconds",
                           "From a request's complete head to the last byte of its answer.")),
      queue_(MakeHistogram(metrics, "warren_proxy_queue_duration_seconds",
                           "From a request's publishing until a worker took it, as the worker tells.")),
      work_(MakeHistogram(metrics, "warren_proxy_work_duration_seconds",
                          "From a worker's taking a request until its answer, as the worker tells.")) {}

prometheus::Counter& RequestMetrics::Requests(std::size_t method, int status) {
  const int row = status < 100 || status > 599 ? 0 : status - 100;
  prometheus::Counter*& counter = counters_[method][static_cast<std::size_t>(row)];
  if (counter == nullptr) {
    counter = &requests_.Add({{"method", std::string(kMethodNames[method])}, {"status", std::to_string(row + 100)}});
  }
  return *counter;
}

void RequestMetrics::Observe(const RequestSample& sample) {
  Requests(MethodIndex(sample.method), sample.status).Increment();
  total_.Observe(Seconds(sample.total_us));
  if (sample.queue_us >= 0) queue_.Observe(Seconds(sample.queue_us));
  if (sample.work_us >= 0) work_.Observe(Seconds(sample.work_us));
}

ProxyCollector::ProxyCollector(std::vector<std::shared_ptr<LaneStats>> lanes, std::shared_ptr<Limits> limits,
                               std::function<std::uint64_t()> dropped_log_lines)
    : lanes_(std::move(lanes)), limits_(std::move(limits)), dropped_log_lines_(std::move(dropped_log_lines)) {}

std::vector<prometheus::MetricFamily> ProxyCollector::Collect() const {
  const auto sum = [this](auto member) {
    double total = 0;
    for (const auto& lane : lanes_) total += static_cast<double>(member(*lane).load(std::memory_order_relaxed));
    return total;
  };
#define WARREN_SUM(member) sum([](const LaneStats& lane) -> const auto& { return lane.member; })
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
  out.Counter("warren_proxy_dead_letters_total", "Requests that came back as dead letters.",
              WARREN_SUM(dispatcher.dead_letters));
  out.Labelled(
      kCounter, "warren_proxy_dropped_replies_total", "Replies dropped: late, duplicate or of no request; malformed.",
      "reason",
      {{"unknown", WARREN_SUM(dispatcher.unknown_replies)}, {"malformed", WARREN_SUM(dispatcher.malformed_replies)}});
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
  return out.Take();
}

}  // namespace warren::proxy
