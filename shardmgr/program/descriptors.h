// File descriptors: each client takes some, and so does each connection to a broker, so clients must not get all.
#pragma once

#include <cstddef>

namespace warren::program {

/// What a server needs descriptors for.
struct DescriptorNeeds {
  std::size_t per_client = 1;
  std::size_t aside = 0;  ///< Of the rest of the program.
};

/// Descriptors that each I/O thread uses beside its clients': listener, event queue, timers, two connections that may
/// be replaced while they are still closing.
inline constexpr std::size_t kDescriptorsPerThread = 12;
/// Descriptors of the rest of the program: logs, metrics, watch connections, management API, libraries.
inline constexpr std::size_t kDescriptorsAside = 64;

/// Raises the soft limit of open files to the hard one, once at start. Returns how many clients fit, at most `wanted`
/// and at least 1; a warning in the log tells when that is fewer.
std::size_t FitConnections(std::size_t wanted, const DescriptorNeeds& needs);

/// What FitConnections reckons with: the clients that fit `limit` descriptors. Pure.
std::size_t ConnectionsThatFit(std::size_t wanted, const DescriptorNeeds& needs, std::size_t limit);

}  // namespace warren::program
