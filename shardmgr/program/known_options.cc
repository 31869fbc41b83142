// The list of all options: see known_options.h. An option added to a program is added here too;
// OptionSet::Parse refuses to run otherwise.
#include "shardmgr/program/known_options.h"

#include <algorithm>
#include <iterator>

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
    "watch",
    "wait",
    "purge",
    "as",
    "dry-run",
    "coordinator",
    "token-file",
    "statistics-interval",
    "stall-after",
    "never-delete",
    "credentials-file",
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
    "upstream-idle-timeout",
    "accept-after",
    "host-header",
    "health-path",
    "refresh",
    "yield-every",
    // warren-gateway.
    "consume",
    "declare",
    "max-channels",
    "max-connection-memory",
    "handshake-timeout",
};

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

}  // namespace warren::program
