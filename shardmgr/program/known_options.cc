// The list of all options: see known_options.h. An option added to a program is added here too;
// OptionSet::Parse refuses to run otherwise.
#include "shardmgr/program/known_options.h"

#include <algorithm>
#include <array>

namespace warren::program {
namespace {

constexpr std::string_view kOptions[] = {
    // Shared.
    "management",
    "node",
    "node-address",
    "user",
    "password-file",
    "vhost",
    "listen",
    "metrics-listen",
    "log-format",
    "log-level",
    "tls-ca-file",
    "config",
    // warren-coordinator and warrenctl.
    "interval",
    "policies-dir",
    "once",
    "formatter",
    "quiet",
    "timeout",
    "priority",
    "apply-to",
    // warren-proxy.
    "exchange",
    "hash-on",
    "no-consumers",
    "max-body-bytes",
    "max-header-bytes",
    "max-requests",
    "max-bytes",
    "max-connections",
    "idle-timeout",
    "header-timeout",
    "body-timeout",
    "drain-timeout",
    "threads",
    "access-log",
    "instance",
    "trust-forwarded",
    "expose-origin",
    // warren-worker.
    "stream",
    "upstream",
    "concurrency",
    "local-node",
    "upstream-timeout",
    "host-header",
    "health-path",
    "refresh",
};

std::size_t Distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

bool IsKnownOption(std::string_view name) {
  return std::find(std::begin(kOptions), std::end(kOptions), name) != std::end(kOptions);
}

bool IsForeignVariable(std::string_view variable) {
  if (variable.starts_with("WARREN_TEST_")) return true;
  const auto holds = [&](std::string_view part) { return variable.find(part) != std::string_view::npos; };
  return variable.ends_with("_PORT") || holds("SERVICE_HOST") || holds("SERVICE_PORT") || holds("_TCP") ||
         holds("_UDP");
}

std::string Nearest(std::string_view name, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, name.size() / 3) + 1;
  if (name.size() > 64) return best;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = candidate.starts_with(name) ? 1 : Distance(name, candidate);
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace warren::program
