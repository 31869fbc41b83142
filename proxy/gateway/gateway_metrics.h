// The gateway's own metrics (prefix warren_gateway_) beside those of its desk. The I/O threads keep counters as plain
// atomics, each written by one thread alone; GatewayCollector adds them up at a scrape. docs/man/warren-gateway.1
// lists them.
#pragma once

#include <prometheus/collectable.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "proxy/gateway/tally.h"
#include "proxy/gateway/upstreams.h"

namespace warren::gateway {

/// Why a client's connection ended.
enum class CloseReason : std::uint8_t {
  kClosed,            ///< By connection.close, of either side.
  kClient,            ///< The client went away without it.
  kBroker,            ///< The node went away.
  kNoNode,            ///< No node could be reached.
  kHandshakeTimeout,  ///< --handshake-timeout
  kShutdown,          ///< The gateway ends.
  kFrameTooLong,      ///< More of a frame than may be held.
  kCount,
};
std::string_view NameOf(CloseReason reason);

using Count = std::atomic<std::uint64_t>;

/// For counters that one thread alone writes: needs no locked instruction.
inline void Add(Count& count, std::uint64_t more) {
  count.store(count.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
}

/// Counters of one I/O thread.
struct LaneStats {
  Count connections{0}, handshake_failures{0};
  std::array<Count, static_cast<std::size_t>(CloseReason::kCount)> closes{};
  Count from_client{0}, from_broker{0}, to_client{0}, to_broker{0};  ///< Bytes.
  Count client_frames{0}, broker_frames{0}, refusals{0}, protocol_errors{0};
  std::array<Count, static_cast<std::size_t>(Rewrite::kCount)> rewrites{};
  Count shaking{0}, channels{0}, consumers{0};  ///< Now; modulo 2^64.

  /// What `now` has more than `before`, which is made equal to it.
  void AddTally(const Tally& now, Tally& before);
};

/// Counters of the thread that accepts.
struct AcceptStats {
  Count full{0}, failed{0};  ///< Pauses.
};

class GatewayCollector : public prometheus::Collectable {
 public:
  GatewayCollector(std::vector<std::shared_ptr<LaneStats>> lanes, std::shared_ptr<AcceptStats> accepts,
                   std::shared_ptr<Upstreams> upstreams);
  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  std::vector<std::shared_ptr<LaneStats>> lanes_;
  std::shared_ptr<AcceptStats> accepts_;
  std::shared_ptr<Upstreams> upstreams_;
};

}  // namespace warren::gateway
