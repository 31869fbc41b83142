// Lines and the thread that writes them; see the header.
#include "proxy/http/access_log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <utility>

#include "shardmgr/program/logging.h"

namespace warren::proxy {
namespace {

std::string Timestamp(std::int64_t time_ms) {
  const std::time_t seconds = time_ms / 1000;
  std::tm time{};
  ::gmtime_r(&seconds, &time);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", time.tm_year + 1900, time.tm_mon + 1, time.tm_mday,
                     time.tm_hour, time.tm_min, time.tm_sec, time_ms % 1000);
}

/// For both forms: quotes, backslashes, and everything that is not printable ASCII, escaped as JSON does it.
std::string Escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (unsigned char c : text) {
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(static_cast<char>(c));
    } else if (c < ' ' || c >= 0x7f) {
      out += fmt::format("\\u{:04x}", c);
    } else {
      out.push_back(static_cast<char>(c));
    }
  }
  return out;
}

std::string Milli(std::int64_t microseconds, std::string_view unknown) {
  return microseconds < 0 ? std::string(unknown) : fmt::format("{:.3f}", static_cast<double>(microseconds) / 1000);
}

/// For the text form, where fields are told apart by blanks.
std::string Quoted(std::string_view text) { return text.empty() ? "-" : '"' + Escaped(text) + '"'; }

/// For JSON.
std::string OrNull(std::string_view text) { return text.empty() ? "null" : '"' + Escaped(text) + '"'; }

int OpenFile(const std::string& target) {
  if (target == "-") return ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  return ::open(target.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
}

}  // namespace

std::string FormatAccessLine(const AccessEntry& entry, bool json) {
  const std::string target = Escaped(entry.target), id = Escaped(entry.request_id);
  if (json) {
    return fmt::format(
        R"({{"time":"{}","client":"{}","method":"{}","target":"{}","version":"1.{}","status":{},"bytes_in":{},)"
        R"("bytes_out":{},"total_ms":{},"queue_ms":{},"work_ms":{},"publishings":{},"node":{},"shard":{},)"
        R"("reason":{},"request_id":"{}"}})",
        Timestamp(entry.time_ms), entry.client_addr, Escaped(entry.method), target, entry.minor_version, entry.status,
        entry.bytes_in, entry.bytes_out, Milli(entry.total_us, "null"), Milli(entry.queue_us, "null"),
        Milli(entry.work_us, "null"), entry.publishings, OrNull(entry.node), OrNull(entry.shard), OrNull(entry.reason),
        id);
  }
  const auto known = [](const std::string& text) { return text.empty() ? std::string("-") : text; };
  return fmt::format(R"({} {} "{} {} HTTP/1.{}" {} in={} out={} total_ms={} queue_ms={} work_ms={})"
                     R"( publishings={} node={} shard={} reason={} id={})",
                     Timestamp(entry.time_ms), entry.client_addr, known(Escaped(entry.method)), known(target),
                     entry.minor_version, entry.status, entry.bytes_in, entry.bytes_out, Milli(entry.total_us, "-"),
                     Milli(entry.queue_us, "-"), Milli(entry.work_us, "-"), entry.publishings, Quoted(entry.node),
                     Quoted(entry.shard), Quoted(entry.reason), known(id));
}

Result<std::unique_ptr<AccessLog>> AccessLog::Open(const std::string& target, bool json) {
  const int file = OpenFile(target);
  if (file < 0) {
    return Fail(ErrorCode::kConfiguration, std::string("cannot be written: ") + std::strerror(errno), target);
  }
  return std::unique_ptr<AccessLog>(new AccessLog(target, file, json));
}

AccessLog::AccessLog(std::string target, int file, bool json)
    : target_(std::move(target)), file_(file), json_(json), thread_([this] { Run(); }) {}

AccessLog::~AccessLog() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
  ::close(file_);
}

void AccessLog::Reopen() {
  {
    const std::lock_guard lock(mutex_);
    reopen_ = true;
  }
  wake_.notify_one();
}

void AccessLog::OpenAgain() {
  const int file = OpenFile(target_);
  if (file < 0) {
    program::Log(program::LogLevel::kWarning, "the access log cannot be opened again; the old file is written on",
                 {{"file", target_}, {"error", std::strerror(errno)}});
    return;
  }
  ::close(file_);
  file_ = file;
}

void AccessLog::Write(const AccessEntry& entry) {
  const std::string line = FormatAccessLine(entry, json_);
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() + line.size() >= kMaxWaitingBytes) {
      dropped_.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    wake = waiting_.empty();
    waiting_.append(line).push_back('\n');
  }
  if (wake) wake_.notify_one();
}

void AccessLog::WriteOut(std::string_view lines) {
  while (!lines.empty()) {
    const ssize_t wrote = ::write(file_, lines.data(), lines.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) {  // A full disk must not stop requests.
      dropped_.fetch_add(static_cast<std::uint64_t>(std::count(lines.begin(), lines.end(), '\n')),
                         std::memory_order_relaxed);
      return;
    }
    lines.remove_prefix(static_cast<std::size_t>(wrote));
  }
}

void AccessLog::Run() {
  std::string lines;
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stop_ || reopen_ || !waiting_.empty(); });
    const bool reopen = std::exchange(reopen_, false);
    if (waiting_.empty() && !reopen) return;
    lines.swap(waiting_);
    lock.unlock();
    if (reopen) OpenAgain();
    WriteOut(lines);
    lines.clear();
    lock.lock();
  }
}

}  // namespace warren::proxy
