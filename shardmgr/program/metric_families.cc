// See metric_families.h.
#include "shardmgr/program/metric_families.h"

namespace warren::program {

using prometheus::MetricType;

prometheus::ClientMetric Families::Value(MetricType type, double value) {
  prometheus::ClientMetric metric;
  if (type == MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  return metric;
}

void Families::Counter(const char* name, const char* help, double value) {
  Family(MetricType::Counter, name, help).push_back(Value(MetricType::Counter, value));
}

void Families::Gauge(const char* name, const char* help, double value) {
  Family(MetricType::Gauge, name, help).push_back(Value(MetricType::Gauge, value));
}

void Families::Labelled(MetricType type, const char* name, const char* help, const char* label,
                        const Labelled1& values) {
  auto& metrics = Family(type, name, help);
  for (const auto& [text, value] : values) {
    metrics.push_back(Value(type, value));
    metrics.back().label.push_back({label, text});
  }
}

std::vector<prometheus::ClientMetric>& Families::Family(MetricType type, const char* name, const char* help) {
  prometheus::MetricFamily family;
  family.name = name;
  family.help = help;
  family.type = type;
  families_.push_back(std::move(family));
  return families_.back().metric;
}

}  // namespace warren::program
