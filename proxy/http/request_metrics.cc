// Series of finished requests; see the header.
#include "proxy/http/request_metrics.h"

#include <algorithm>

#include "shardmgr/program/metrics.h"

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

/// For counters with one writer.
void Add(std::atomic<std::uint64_t>& count, std::uint64_t amount) {
  count.store(count.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

const std::array<std::int64_t, Latency::kBounds>& BoundsUs() {
  static const auto bounds = [] {
    std::array<std::int64_t, Latency::kBounds> made{};
    const auto seconds = program::LatencyBuckets();
    for (std::size_t i = 0; i < made.size(); ++i) made[i] = static_cast<std::int64_t>(seconds.at(i) * 1e6 + 0.5);
    return made;
  }();
  return bounds;
}

/// What workers say goes into a label only if it looks like a node's name.
bool IsNodeName(std::string_view name) {
  return name.size() <= 255 &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace

void Latency::Observe(std::int64_t microseconds) {
  const auto& bounds = BoundsUs();
  std::size_t bucket = 0;
  while (bucket < kBounds && bounds[bucket] < microseconds) ++bucket;
  Add(buckets_[bucket], 1);
  Add(sum_us_, static_cast<std::uint64_t>(std::max<std::int64_t>(microseconds, 0)));
}

void Latency::AddTo(Sum& sum) const {
  for (std::size_t i = 0; i < buckets_.size(); ++i) sum.buckets[i] += buckets_[i].load(std::memory_order_relaxed);
  sum.sum_us += sum_us_.load(std::memory_order_relaxed);
}

prometheus::ClientMetric::Histogram Latency::Sum::AsHistogram() const {
  prometheus::ClientMetric::Histogram made;
  const auto bounds = program::LatencyBuckets();
  for (std::size_t i = 0; i < kBounds; ++i) {
    made.sample_count += buckets[i];
    made.bucket.push_back({made.sample_count, bounds.at(i)});
  }
  made.sample_count += buckets[kBounds];
  made.sample_sum = static_cast<double>(sum_us) / 1e6;
  return made;
}

RequestMetrics::RequestMetrics() {
  nodes_[0] = std::make_unique<Node>("none");
  nodes_[1] = std::make_unique<Node>("other");
}

RequestMetrics::Node& RequestMetrics::Find(std::string_view name) {
  if (name.empty()) return *nodes_[0];
  if (nodes_[last_]->name == name) return *nodes_[last_];
  const std::size_t count = node_count_.load(std::memory_order_relaxed);
  for (last_ = 2; last_ < count; ++last_) {
    if (nodes_[last_]->name == name) return *nodes_[last_];
  }
  if (count == nodes_.size() || !IsNodeName(name)) {
    last_ = 1;
    return *nodes_[1];
  }
  nodes_[count] = std::make_unique<Node>(name);
  node_count_.store(count + 1, std::memory_order_release);
  return *nodes_[count];
}

void RequestMetrics::Observe(const RequestSample& sample) {
  const int row = sample.status < 100 || sample.status > 599 ? 0 : sample.status - 100;
  Add(requests_[MethodIndex(sample.method)][static_cast<std::size_t>(row)], 1);
  auto& phases = Find(sample.node).phases;
  const auto observe = [&phases](Phase phase, std::int64_t microseconds) {
    phases[static_cast<std::size_t>(phase)].Observe(microseconds);
  };
  observe(Phase::kTotal, sample.total_us);
  if (sample.queue_us >= 0) observe(Phase::kQueue, sample.queue_us);
  if (sample.work_us >= 0) observe(Phase::kWork, sample.work_us);
  if (sample.queue_us < 0 || sample.work_us < 0 || sample.answered_us < 0) return;
  // Clocks of two machines: the rest may come out below nothing.
  observe(Phase::kTransport, std::max<std::int64_t>(sample.answered_us - sample.queue_us - sample.work_us, 0));
}

void RequestMetrics::AddTo(NodeSums& sums) const {
  const std::size_t count = node_count_.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < count; ++i) {
    auto& into = sums[nodes_[i]->name];
    for (std::size_t phase = 0; phase < kPhases.size(); ++phase) nodes_[i]->phases[phase].AddTo(into[phase]);
  }
}

std::vector<prometheus::MetricFamily> RequestMetrics::Collect(
    const std::vector<std::shared_ptr<RequestMetrics>>& threads, const std::string& exchange) {
  prometheus::MetricFamily requests{
      "warren_proxy_requests_total", "Requests answered, by method and status.", prometheus::MetricType::Counter, {}};
  for (std::size_t method = 0; method < kMethods; ++method) {
    for (std::size_t row = 0; row < kStatuses; ++row) {
      std::uint64_t count = 0;
      for (const auto& thread : threads) count += thread->requests_[method][row].load(std::memory_order_relaxed);
      if (count == 0) continue;
      prometheus::ClientMetric metric;
      metric.counter.value = static_cast<double>(count);
      metric.label = {{"method", std::string(kMethodNames[method])}, {"status", std::to_string(row + 100)}};
      requests.metric.push_back(std::move(metric));
    }
  }
  prometheus::MetricFamily seconds{"warren_proxy_request_seconds",
                                   "Time of requests by phase, and by the broker node whose worker answered.",
                                   prometheus::MetricType::Histogram,
                                   {}};
  NodeSums sums;
  for (const auto& thread : threads) thread->AddTo(sums);
  for (const auto& [node, phases] : sums) {
    for (std::size_t phase = 0; phase < phases.size(); ++phase) {
      prometheus::ClientMetric metric;
      metric.histogram = phases[phase].AsHistogram();
      if (metric.histogram.sample_count == 0) continue;
      metric.label = {{"exchange", exchange}, {"node", node}, {"phase", kPhases[phase]}};
      seconds.metric.push_back(std::move(metric));
    }
  }
  return {std::move(requests), std::move(seconds)};
}

}  // namespace warren::proxy
