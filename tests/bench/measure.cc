// Options, CPU clocks and percentiles; see the header.
#include "tests/bench/measure.h"

#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <optional>
#include <sstream>

namespace warren::bench {
namespace {

/// Of a whole process, in nanoseconds' precision; nothing when it is not there.
std::optional<double> ProcessSeconds(pid_t pid) {
  clockid_t clock{};
  timespec time{};
  if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &time) != 0) return std::nullopt;
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

/// Of the machine, idle and waiting for disks excluded.
double MachineSeconds() {
  std::ifstream stat("/proc/stat");
  std::string word;
  stat >> word;
  double busy = 0, value = 0;
  for (int column = 0; column < 8 && stat >> value; ++column) {
    if (column != 3 && column != 4) busy += value;
  }
  return busy / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

std::pair<std::string, std::string> NameAndValue(const std::string& entry) {
  const auto equals = entry.find('=');
  if (equals == std::string::npos) Die("'" + entry + "' is not NAME=VALUE");
  return {entry.substr(0, equals), entry.substr(equals + 1)};
}

}  // namespace

void Die(const std::string& message) {
  std::cerr << message << "\n";
  std::exit(1);
}

Arguments::Arguments(int argc, char** argv, int first) {
  for (int index = first; index < argc; index += 2) {
    const std::string name = argv[index];
    if (!name.starts_with("--") || index + 1 >= argc) {
      std::cerr << "what is '" << name << "'? Options come as --name value\n";
      std::exit(64);
    }
    given_.emplace(name.substr(2), argv[index + 1]);
  }
}

std::vector<std::string> Arguments::All(const std::string& name) {
  asked_[name] = true;
  std::vector<std::string> values;
  const auto [begin, end] = given_.equal_range(name);
  for (auto it = begin; it != end; ++it) values.push_back(it->second);
  return values;
}

std::string Arguments::Text(const std::string& name, const std::string& fallback) {
  const auto values = All(name);
  return values.empty() ? fallback : values.back();
}

std::string Arguments::Required(const std::string& name) {
  const auto values = All(name);
  if (!values.empty()) return values.back();
  std::cerr << "--" << name << " is missing\n";
  std::exit(64);
}

std::int64_t Arguments::Number(const std::string& name, std::int64_t fallback) {
  const auto text = Text(name, "");
  return text.empty() ? fallback : std::stoll(text);
}

double Arguments::Seconds(const std::string& name, double fallback) {
  const auto text = Text(name, "");
  return text.empty() ? fallback : std::stod(text);
}

void Arguments::RefuseUnknown() const {
  for (const auto& [name, value] : given_) {
    if (asked_.contains(name)) continue;
    std::cerr << "--" << name << " is not an option of this program\n";
    std::exit(64);
  }
}

CpuWatch::CpuWatch(Arguments& arguments, const std::string& self) {
  groups_[self] = {::getpid()};
  for (const auto& entry : arguments.All("watch")) {
    const auto [name, list] = NameAndValue(entry);
    std::istringstream pids(list);
    for (std::string pid; std::getline(pids, pid, ',');) groups_[name].push_back(std::stoi(pid));
  }
  for (const auto& entry : arguments.All("count")) {
    const auto [name, file] = NameAndValue(entry);
    counter_files_[name] = file;
  }
}

CpuWatch::Reading CpuWatch::Read() const {
  Reading reading;
  for (const auto& [name, pids] : groups_) {
    for (const pid_t pid : pids) {
      if (const auto seconds = ProcessSeconds(pid)) reading.process_s[pid] = *seconds;
    }
  }
  for (const auto& [name, path] : counter_files_) {
    std::ifstream file(path, std::ios::binary);
    if (!file.read(reinterpret_cast<char*>(&reading.counters[name]), sizeof(std::uint64_t))) Die("cannot read " + path);
  }
  reading.machine_s = MachineSeconds();
  return reading;
}

void CpuWatch::Start() { before_ = Read(); }
void CpuWatch::Stop() { after_ = Read(); }

nlohmann::json CpuWatch::Seconds() const {
  nlohmann::json result = nlohmann::json::object();
  double ours_s = 0;
  for (const auto& [name, pids] : groups_) {
    double group_s = 0;
    std::size_t left = 0;
    for (const pid_t pid : pids) {
      const auto before = before_.process_s.find(pid), after = after_.process_s.find(pid);
      if (before == before_.process_s.end() || after == after_.process_s.end()) continue;
      group_s += after->second - before->second;
      ++left;
    }
    if (left == 0) Die("no process of '" + name + "' is left");
    result[name] = group_s;
    ours_s += group_s;
  }
  result["others"] = std::max(0.0, after_.machine_s - before_.machine_s - ours_s);
  return result;
}

nlohmann::json CpuWatch::Counted() const {
  nlohmann::json result = nlohmann::json::object();
  for (const auto& [name, count] : after_.counters) result[name] = count - before_.counters.at(name);
  return result;
}

Measurement::Measurement(double warm_up_s, double window_s, CpuWatch& watch)
    : watch_(watch),
      window_(static_cast<std::int64_t>(window_s * 1e9)),
      begin_(Clock::now() + std::chrono::nanoseconds(static_cast<std::int64_t>(warm_up_s * 1e9))) {
  latencies_ns_.reserve(1u << 22);
}

bool Measurement::Advance(Clock::time_point now) {
  if (measuring_ && now >= end_) {
    measuring_ = false;
    over_ = true;
    watch_.Stop();
    end_ = now;
  } else if (!measuring_ && !over_ && now >= begin_) {
    watch_.Start();
    measuring_ = true;
    begin_ = Clock::now();
    end_ = begin_ + window_;
  }
  return !over_;
}

void Measurement::CountError(const std::string& what) { ++errors_[what]; }

nlohmann::json Measurement::PerRequest(const nlohmann::json& totals, double unit) const {
  nlohmann::json result = nlohmann::json::object();
  const auto requests = static_cast<double>(std::max<std::size_t>(latencies_ns_.size(), 1));
  for (const auto& [name, total] : totals.items()) result[name] = total.get<double>() * unit / requests;
  return result;
}

double Measurement::PercentileUs(double share) {
  if (latencies_ns_.empty()) return 0;
  const auto rank = static_cast<std::size_t>(share * static_cast<double>(latencies_ns_.size() - 1));
  const auto nth = latencies_ns_.begin() + static_cast<std::ptrdiff_t>(rank);
  std::nth_element(latencies_ns_.begin(), nth, latencies_ns_.end());
  return static_cast<double>(*nth) / 1000;
}

nlohmann::json Measurement::Report() {
  const double seconds = std::chrono::duration<double>(end_ - begin_).count();
  const auto requests = latencies_ns_.size();
  nlohmann::json report = {
      {"requests", requests},        {"seconds", seconds},          {"rate", static_cast<double>(requests) / seconds},
      {"p50_us", PercentileUs(0.5)}, {"p90_us", PercentileUs(0.9)}, {"p99_us", PercentileUs(0.99)},
      {"max_us", PercentileUs(1)},   {"errors", errors_},           {"cpu_s", watch_.Seconds()}};
  report["cpu_us_per_request"] = PerRequest(watch_.Seconds(), 1e6);
  report["counted_per_request"] = PerRequest(watch_.Counted(), 1);
  return report;
}

}  // namespace warren::bench
