// The queue that is the lease of the coordinators: its name, and who holds it as an observation shows it. Pure.
//
// Whoever leads holds it as an exclusive queue, which goes with its connection. Its argument says who that is.
// docs/adr/0010-lease.md
#pragma once

#include <optional>
#include <string>

#include "shardmgr/model/topology.h"

namespace warren::coordinator {

inline constexpr const char* kLeaseQueue = "warren.lease";
inline constexpr const char* kLeaseVhost = "/";
inline constexpr const char* kLeaseHolder = "x-warren-coordinator";  ///< Argument of the queue.

inline constexpr std::size_t kMostNameBytes = 255;

struct LeaseQueue {
  bool exclusive = false;  ///< False: it is somebody's ordinary queue, and nobody can lead.
  std::string holder;      ///< Name of the coordinator that leads; empty: it does not say.
};

/// The lease as it was observed; nothing when nobody holds it.
inline std::optional<LeaseQueue> FindLease(const Topology& observed) {
  for (const Queue& queue : observed.queues) {
    if (queue.name != kLeaseQueue || queue.vhost != kLeaseVhost) continue;
    const auto holder = queue.arguments.find(kLeaseHolder);
    const bool says = holder != queue.arguments.end() && holder->is_string();
    return LeaseQueue{queue.exclusive, says ? holder->get<std::string>().substr(0, kMostNameBytes) : std::string()};
  }
  return std::nullopt;
}

}  // namespace warren::coordinator
