// Families: what a collector hands to Prometheus at a scrape, put together line by line. For programs whose threads
// keep plain counters that are added up only when asked for.
//
// Values only; no thread rules.
#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <utility>
#include <vector>

namespace warren::program {

class Families {
 public:
  using Labelled1 = std::vector<std::pair<std::string, double>>;  ///< Label's value, number.

  void Counter(const char* name, const char* help, double value);
  void Gauge(const char* name, const char* help, double value);
  /// A family with one label.
  void Labelled(prometheus::MetricType type, const char* name, const char* help, const char* label,
                const Labelled1& values);
  /// Its metrics; good until the next family is added.
  std::vector<prometheus::ClientMetric>& Family(prometheus::MetricType type, const char* name, const char* help);
  std::vector<prometheus::MetricFamily> Take() { return std::move(families_); }

  static prometheus::ClientMetric Value(prometheus::MetricType type, double value);

 private:
  std::vector<prometheus::MetricFamily> families_;
};

}  // namespace warren::program
