// Structured logging to stderr: one line per event, as text or as a JSON object.
//
//   Log(LogLevel::kInfo, "shard bound", {{"exchange", name}, {"node", node}, {"took_ms", 3}});
//   text: 2026-01-02T03:04:05.678Z info  warren-proxy: shard bound exchange=shard.web node=rabbit1@a took_ms=3
//   json: {"time":"2026-…Z","level":"info","program":"warren-proxy","message":"shard bound","exchange":…}
//
// Never log a secret: passwords and request bodies stay out of fields. Text fields are quoted and
// escaped where they hold anything but plain characters, so a stranger's data cannot forge a line.
// Safe from any thread; spdlog is behind logging.cc.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "policies/error.h"

namespace warren::program {

class Parsed;

enum class LogLevel { kTrace, kDebug, kInfo, kWarning, kError };
enum class LogFormat { kText, kJson };

/// A key with a text, integer, real or boolean value. Views: lives as long as the call to Log.
struct LogField {
  LogField(std::string_view name, std::string_view text) : key(name), value(text) {}
  LogField(std::string_view name, const std::string& text) : key(name), value(std::string_view(text)) {}
  LogField(std::string_view name, const char* text) : key(name), value(std::string_view(text)) {}
  LogField(std::string_view name, bool truth) : key(name), value(truth) {}
  LogField(std::string_view name, double number) : key(name), value(number) {}
  template <std::integral T>
  LogField(std::string_view name, T number) : key(name), value(static_cast<std::int64_t>(number)) {}

  std::string_view key;
  std::variant<std::string_view, std::int64_t, double, bool> value;
};
using LogFields = std::initializer_list<LogField>;

/// Before the first Log: format and level of --log-format and --log-level, and the program's name.
/// Without it: text at level info.
void ConfigureLogging(const Parsed& parsed);
void ConfigureLogging(std::string_view program, LogFormat format, LogLevel level);

bool LogEnabled(LogLevel level);
void Log(LogLevel level, std::string_view message, LogFields fields = {});
/// Adds the error's code, message and context as fields `error`, `code`.
void Log(LogLevel level, std::string_view message, const Error& error, LogFields fields = {});

/// The line as Log writes it, without the newline; for tests. `time_ms` is Unix time.
std::string FormatLogLine(LogFormat format, std::int64_t time_ms, LogLevel level, std::string_view program,
                          std::string_view message, const std::vector<LogField>& fields);

}  // namespace warren::program
