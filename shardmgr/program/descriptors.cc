// The limit of open files; see the header.
#include "shardmgr/program/descriptors.h"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "shardmgr/program/logging.h"

namespace warren::program {

std::size_t ConnectionsThatFit(std::size_t wanted, const DescriptorNeeds& needs, std::size_t limit) {
  const std::size_t left = limit > needs.aside ? limit - needs.aside : 0;
  return std::clamp<std::size_t>(left / needs.per_client, 1, wanted);
}

std::size_t FitConnections(std::size_t wanted, const DescriptorNeeds& needs) {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return wanted;
  if (files.rlim_cur < files.rlim_max) {
    const rlimit raised{files.rlim_max, files.rlim_max};
    if (::setrlimit(RLIMIT_NOFILE, &raised) == 0) {
      files = raised;
    } else {
      Log(LogLevel::kWarning, "cannot raise the limit of open files", {{"error", std::strerror(errno)}});
    }
  }
  const auto limit = static_cast<std::size_t>(files.rlim_cur);  // RLIM_INFINITY is the greatest there is.
  const std::size_t fit = ConnectionsThatFit(wanted, needs, limit);
  if (fit < wanted) {
    Log(LogLevel::kWarning, "--max-connections does not fit the limit of open files: fewer clients are taken at a time",
        {{"max_connections", wanted}, {"fit", fit}, {"limit", limit}, {"remedy", "raise LimitNOFILE or ulimit -n"}});
  }
  return fit;
}

}  // namespace warren::program
