// The access log: one line for each request, written by a thread of its own so that no I/O thread waits
// for a disk. Bounded: lines that come faster than they can be written are dropped and counted. Reopen() lets
// logrotate move the file away.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "policies/error.h"

namespace warren::proxy {

/// What a line tells.
struct AccessEntry {
  std::int64_t time_ms = 0;  ///< Unix time at which the request's head was there.
  std::string_view client_addr, method, target, request_id;
  int minor_version = 1;
  int status = 0;                             ///< 499: the client left before it had its answer.
  std::uint64_t bytes_in = 0, bytes_out = 0;  ///< Bodies.
  std::int64_t total_us = 0;
  std::int64_t queue_us = -1, work_us = -1;  ///< -1: unknown.
  int publishings = 0;
  std::string_view node, shard;  ///< Who answered, as the worker tells; empty: unknown.
  std::string_view reason;       ///< Of an answer of the proxy's own; else empty.
};

/// The line, without its newline. What clients and workers sent is escaped, so they cannot forge a line or a field.
///   text: 2026-01-02T03:04:05.678Z 127.0.0.1 "GET /a HTTP/1.1" 200 in=0 out=5 total_ms=1.234 queue_ms=0.5 work_ms=0.7
///         publishings=1 node="rabbit@a" shard="stream: web - rabbit@a - 0" reason=- id=…
std::string FormatAccessLine(const AccessEntry& entry, bool json);

class AccessLog {
 public:
  /// `target`: "-" for standard output, else a file that is appended to. Errors: kConfiguration.
  static Result<std::unique_ptr<AccessLog>> Open(const std::string& target, bool json);
  ~AccessLog();  ///< Writes what is left.

  void Write(const AccessEntry& entry);  ///< From any thread.
  /// Opens the file of that name anew before the next line is written; keeps the old one where that fails. Any thread.
  void Reopen();
  std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t kMaxWaitingBytes = std::size_t{4} << 20;
  AccessLog(std::string target, int file, bool json);
  void Run();
  void WriteOut(std::string_view lines);
  void OpenAgain();

  const std::string target_;
  int file_;  ///< The writing thread's.
  const bool json_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::string waiting_;
  bool stop_ = false, reopen_ = false;
  std::atomic<std::uint64_t> dropped_{0};
  std::thread thread_;
};

}  // namespace warren::proxy
