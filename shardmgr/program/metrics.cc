// The registry, collectors, and a collector over /proc/self: see metrics.h.
#include "shardmgr/program/metrics.h"

#include <dirent.h>
#include <prometheus/gauge.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <fstream>

namespace warren::program {
namespace {

prometheus::MetricFamily Single(const char* name, const char* help, prometheus::MetricType type, double number) {
  prometheus::ClientMetric metric;
  (type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value) = number;
  return {name, help, type, {metric}};
}

double CpuSeconds() {
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  double total = 0, resident = 0;
  file >> total >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

double OpenFiles() {
  DIR* folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) return 0;
  double count = -3;  // ".", "..", and the folder's own descriptor.
  while (::readdir(folder) != nullptr) ++count;
  ::closedir(folder);
  return count;
}

/// What the Prometheus client libraries' conventions call process metrics.
class ProcessCollector : public prometheus::Collectable {
 public:
  std::vector<prometheus::MetricFamily> Collect() const override {
    using prometheus::MetricType;
    struct rlimit limit {};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    return {
        Single("process_cpu_seconds_total", "User and system CPU time spent.", MetricType::Counter, CpuSeconds()),
        Single("process_resident_memory_bytes", "Resident memory.", MetricType::Gauge, ResidentBytes()),
        Single("process_open_fds", "Open file descriptors.", MetricType::Gauge, OpenFiles()),
        Single("process_max_fds", "Most file descriptors allowed.", MetricType::Gauge,
               static_cast<double>(limit.rlim_cur)),
        Single("process_start_time_seconds", "Unix time of the start.", MetricType::Gauge, started_),
    };
  }

 private:
  const double started_ = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
};

}  // namespace

Metrics::Metrics(std::string_view program) : registry_(std::make_shared<prometheus::Registry>()) {
  collectors_ = {registry_, std::make_shared<ProcessCollector>()};
  prometheus::BuildGauge()
      .Name("warren_build_info")
      .Help("Program and version; always 1.")
      .Register(*registry_)
      .Add({{"program", std::string(program)}, {"version", WARREN_VERSION}})
      .Set(1);
}

void Metrics::Register(std::shared_ptr<prometheus::Collectable> collector) {
  const std::lock_guard lock(mutex_);
  collectors_.push_back(std::move(collector));
}

std::string Metrics::Serialize() const {
  const std::lock_guard lock(mutex_);
  std::vector<prometheus::MetricFamily> families;
  for (const auto& collector : collectors_) {
    for (auto& family : collector->Collect()) families.push_back(std::move(family));
  }
  return prometheus::TextSerializer().Serialize(families);
}

std::vector<double> LatencyBuckets() {
  return {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
}

}  // namespace warren::program
