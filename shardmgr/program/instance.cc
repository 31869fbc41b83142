// See instance.h.
#include "shardmgr/program/instance.h"

#include <fmt/format.h>
#include <unistd.h>

#include <random>
#include <string_view>

namespace warren::program {

std::string MakeInstance() {
  char host[256] = "";
  if (::gethostname(host, sizeof(host) - 1) != 0) host[0] = '\0';
  std::random_device random;
  return fmt::format("{}-{}-{:08x}", std::string_view(host).substr(0, 64), ::getpid(),
                     static_cast<std::uint32_t>(random()));
}

}  // namespace warren::program
