// One check a kind of option: see option_checks.h.
#include "shardmgr/program/option_checks.h"

#include <charconv>

namespace warren::program {
namespace {

template <class T>
Result<void> Checked(const Result<T>& result) {
  if (!result) return tl::unexpected(result.error());
  return {};
}

Result<void> CheckText(const Option& option, const std::string& text) {
  if (option.choices.empty()) return {};
  std::string allowed;
  for (const std::string& choice : option.choices) {
    if (choice == text) return {};
    allowed += (allowed.empty() ? "" : ", ") + choice;
  }
  return Fail(ErrorCode::kUsage, "'" + text + "' is not one of " + allowed);
}

Result<void> CheckInteger(const Option& option, const std::string& text) {
  std::int64_t number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = code == std::errc() && end == text.data() + text.size();
  if (whole && number >= option.minimum && number <= option.maximum) return {};
  const bool bounded = option.maximum != std::numeric_limits<std::int64_t>::max();
  return Fail(ErrorCode::kUsage,
              "'" + text + "' is not an integer " +
                  (bounded ? "from " + std::to_string(option.minimum) + " to " + std::to_string(option.maximum)
                           : "of at least " + std::to_string(option.minimum)));
}

Result<void> CheckDuration(const Option& option, const std::string& text) {
  const auto duration = ParseDuration(text);
  if (!duration) return tl::unexpected(duration.error());
  if (duration->count() >= option.minimum && duration->count() <= option.maximum) return {};
  return Fail(ErrorCode::kUsage,
              "'" + text + "' is out of bounds; it takes at least " + std::to_string(option.minimum) + " ms");
}

Result<void> CheckSize(const Option& option, const std::string& text) {
  const auto size = ParseSize(text);
  if (!size) return tl::unexpected(size.error());
  const auto bytes = static_cast<std::int64_t>(*size);
  if (bytes >= option.minimum && bytes <= option.maximum) return {};
  const bool bounded = option.maximum != std::numeric_limits<std::int64_t>::max();
  return Fail(ErrorCode::kUsage, "'" + text + "' is out of bounds; it takes at least " +
                                     std::to_string(option.minimum) + " bytes" +
                                     (bounded ? " and at most " + std::to_string(option.maximum) : ""));
}

Result<void> CheckFlag(const std::string& text) {
  for (const char* allowed : {"true", "false", "yes", "no", "1", "0", "on", "off"}) {
    if (text == allowed) return {};
  }
  return Fail(ErrorCode::kUsage, "'" + text + "' is neither true nor false");
}

// What stands before an '@' may be a password, and is not repeated.
std::string WithoutSecret(const std::string& text) {
  const auto at = text.rfind('@');
  return at == std::string::npos ? text : "…" + text.substr(at);
}

Result<void> CheckUrl(const std::string& text) {
  const auto scheme = text.find("://");
  const std::string_view after =
      scheme == std::string::npos ? std::string_view() : std::string_view(text).substr(scheme + 3);
  const bool http = text.starts_with("http://") || text.starts_with("https://");
  if (http && after.substr(0, after.find('/')).find('@') != std::string_view::npos) {
    return Fail(ErrorCode::kUsage, "the URL holds a user name or password; use --user and --password-file instead");
  }
  const bool plain = text.find_first_of(" \t\r\n\"<>\\") == std::string::npos;
  if (http && plain && !after.empty() && after.front() != '/' && after.front() != ':') return {};
  return Fail(ErrorCode::kUsage, "'" + WithoutSecret(text) + "' is not a URL; write it like http://127.0.0.1:15672");
}

Result<void> CheckNodeAddress(const std::string& text) {
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    return Fail(ErrorCode::kUsage,
                "'" + WithoutSecret(text) + "' is not NODE=HOST:PORT; write it like rabbit@host1=10.0.0.1:5672");
  }
  return Checked(amqp::ParseEndpoint(std::string_view(text).substr(equals + 1)));
}

}  // namespace

Result<void> CheckValue(const Option& option, const std::string& text) {
  switch (option.kind) {
    case OptionKind::kText: return CheckText(option, text);
    case OptionKind::kFlag: return CheckFlag(text);
    case OptionKind::kInteger: return CheckInteger(option, text);
    case OptionKind::kDuration: return CheckDuration(option, text);
    case OptionKind::kSize: return CheckSize(option, text);
    case OptionKind::kAddress: return Checked(ParseAddress(text));
    case OptionKind::kEndpoint: return Checked(amqp::ParseEndpoint(text));
    case OptionKind::kHttpUrl: return CheckUrl(text);
    case OptionKind::kNodeAddress: return CheckNodeAddress(text);
  }
  return {};
}

}  // namespace warren::program
