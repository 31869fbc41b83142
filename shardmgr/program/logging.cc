// Formats log lines and hands them to spdlog: see logging.h.
#include "shardmgr/program/logging.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <ctime>

#include "shardmgr/program/options.h"

namespace warren::program {
namespace {

struct Settings {
  std::string program = "warren";
  LogFormat format = LogFormat::kText;
  LogLevel level = LogLevel::kInfo;
};

Settings& Current() {
  static Settings settings;
  return settings;
}

spdlog::logger& Stderr() {
  static const std::shared_ptr<spdlog::logger> logger = [] {
    auto made = std::make_shared<spdlog::logger>("warren", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("%v");
    made->set_level(spdlog::level::trace);
    return made;
  }();
  return *logger;
}

std::string_view LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kTrace: return "trace";
    case LogLevel::kDebug: return "debug";
    case LogLevel::kInfo: return "info";
    case LogLevel::kWarning: return "warning";
    case LogLevel::kError: return "error";
  }
  return "info";
}

std::string Timestamp(std::int64_t time_ms) {
  const std::time_t seconds = static_cast<std::time_t>(time_ms / 1000);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(seconds), time_ms % 1000);
}

/// A JSON string literal; bytes that are not UTF-8 become U+FFFD, so the line stays valid JSON.
std::string Quoted(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

bool IsPlain(std::string_view text) {
  if (text.empty()) return false;
  for (const unsigned char c : text) {
    if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\') return false;
  }
  return true;
}

std::string ValueText(const LogField& field, LogFormat format) {
  if (const auto* text = std::get_if<std::string_view>(&field.value)) {
    return format == LogFormat::kText && IsPlain(*text) ? std::string(*text) : Quoted(*text);
  }
  if (const auto* integer = std::get_if<std::int64_t>(&field.value)) return fmt::format("{}", *integer);
  if (const auto* real = std::get_if<double>(&field.value)) return nlohmann::json(*real).dump();
  return std::get<bool>(field.value) ? "true" : "false";
}

/// A message is our own text, but errors of others come through it: no line breaks, no escapes.
std::string Flattened(std::string_view text) {
  std::string flat(text);
  for (char& c : flat) {
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = ' ';
  }
  return flat;
}

void Write(LogLevel level, std::string_view message, const std::vector<LogField>& fields) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  const Settings& settings = Current();
  const std::string line = FormatLogLine(settings.format, now_ms, level, settings.program, message, fields);
  Stderr().log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace

void ConfigureLogging(std::string_view program, LogFormat format, LogLevel level) {
  Current() = Settings{std::string(program), format, level};
  Stderr().flush_on(spdlog::level::trace);
}

void ConfigureLogging(const Parsed& parsed) {
  LogLevel level = LogLevel::kInfo;
  for (const LogLevel candidate : {LogLevel::kTrace, LogLevel::kDebug, LogLevel::kWarning, LogLevel::kError}) {
    if (parsed.Text("log-level") == LevelName(candidate)) level = candidate;
  }
  ConfigureLogging(parsed.program(), parsed.Text("log-format") == "json" ? LogFormat::kJson : LogFormat::kText, level);
}

bool LogEnabled(LogLevel level) { return level >= Current().level; }

void Log(LogLevel level, std::string_view message, LogFields fields) {
  if (LogEnabled(level)) Write(level, message, fields);
}

void Log(LogLevel level, std::string_view message, const Error& error, LogFields fields) {
  if (!LogEnabled(level)) return;
  std::vector<LogField> all(fields);
  const std::string text = error.ToString();
  all.emplace_back("error", text);
  all.emplace_back("code", Name(error.code));
  Write(level, message, all);
}

std::string FormatLogLine(LogFormat format, std::int64_t time_ms, LogLevel level, std::string_view program,
                          std::string_view message, const std::vector<LogField>& fields) {
  std::string line;
  if (format == LogFormat::kText) {
    line = fmt::format("{} {:<7} {}: {}", Timestamp(time_ms), LevelName(level), program, Flattened(message));
    for (const LogField& field : fields) line += fmt::format(" {}={}", field.key, ValueText(field, format));
    return line;
  }
  line = fmt::format(R"({{"time":"{}","level":"{}","program":{},"message":{})", Timestamp(time_ms), LevelName(level),
                     Quoted(program), Quoted(message));
  for (const LogField& field : fields) line += fmt::format(",{}:{}", Quoted(field.key), ValueText(field, format));
  return line + "}";
}

}  // namespace warren::program
