// What the benchmark programs share: options, CPU time of watched processes over the measured window, latencies, and
// the JSON line each of them ends with.
//
// The program that makes the load also reads everybody's CPU time, so that the window is the same for all. Linux only;
// one thread.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace warren::bench {

using Clock = std::chrono::steady_clock;

/// `--name value` pairs. A missing or unknown option ends the program with a message and exit code 64.
class Arguments {
 public:
  Arguments(int argc, char** argv, int first = 1);

  std::string Text(const std::string& name, const std::string& fallback);
  std::string Required(const std::string& name);
  std::int64_t Number(const std::string& name, std::int64_t fallback);
  double Seconds(const std::string& name, double fallback);
  std::vector<std::string> All(const std::string& name);  ///< In the order they were given.
  void RefuseUnknown() const;                             ///< After all options were asked for.

 private:
  std::multimap<std::string, std::string> given_;
  std::map<std::string, bool> asked_;
};

/// Ends the program: message on standard error, exit code 1.
[[noreturn]] void Die(const std::string& message);

/// A small fast generator of random numbers; nobody's secret depends on it.
class Random {
 public:
  std::uint64_t Next() {
    state_ ^= state_ << 13, state_ ^= state_ >> 7, state_ ^= state_ << 17;
    return state_;
  }

 private:
  std::uint64_t state_ = 0x9e3779b97f4a7c15u;
};

/// CPU time (user and system, all threads, also those that ended) of named groups of processes, and counters in files.
class CpuWatch {
 public:
  /// Takes --watch NAME=PID,PID… and --count NAME=FILE (allocations.cc writes it), each any number of times. This
  /// process is watched too, as `self`.
  CpuWatch(Arguments& arguments, const std::string& self);
  void Start();
  void Stop();
  /// Seconds by name, and "others": what the rest of the machine used (from /proc/stat, 10 ms steps). A group of which
  /// no process is left ends the program.
  nlohmann::json Seconds() const;
  nlohmann::json Counted() const;  ///< By name.

 private:
  struct Reading {
    double machine_s = 0;
    std::map<std::string, std::uint64_t> counters;
    std::map<pid_t, double> process_s;  ///< Of those that are there.
  };
  Reading Read() const;
  std::map<std::string, std::vector<pid_t>> groups_;
  std::map<std::string, std::string> counter_files_;
  Reading before_, after_;
};

/// Warm-up, then a measured window: which requests count, and how long they took.
class Measurement {
 public:
  Measurement(double warm_up_s, double window_s, CpuWatch& watch);

  /// To be called now and then; starts and ends the window. False once it is over.
  bool Advance(Clock::time_point now);
  void Count(Clock::time_point started, Clock::time_point now) {
    if (measuring_)
      latencies_ns_.push_back(static_cast<std::uint32_t>(std::min<std::int64_t>((now - started).count(), UINT32_MAX)));
  }
  void CountError(const std::string& what);
  /// requests, seconds, rate, p50_us, p90_us, p99_us, max_us, errors, cpu_s, cpu_us_per_request,
  /// counted_per_request.
  nlohmann::json Report();

 private:
  double PercentileUs(double share);
  nlohmann::json PerRequest(const nlohmann::json& totals, double unit) const;
  CpuWatch& watch_;
  std::chrono::nanoseconds window_;
  Clock::time_point begin_, end_;
  bool measuring_ = false, over_ = false;
  std::vector<std::uint32_t> latencies_ns_;
  std::map<std::string, std::uint64_t> errors_;
};

}  // namespace warren::bench
