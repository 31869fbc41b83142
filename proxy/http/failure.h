// The answers that the dispatcher makes itself: one cause each, and what a client gets for it. The label is how
// metrics and logs name the cause; docs/operations.md explains each. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace warren::proxy {

enum class Cause : std::uint8_t {
  kNoShard,
  kNoConsumers,
  kNoExchange,
  kNoConnection,
  kBlocked,
  kQueueFull,
  kHeadTooLarge,
  kRejected,
  kDeliveryLimit,
  kMalformedReply,
  kNacked,
  kRetriesSpent,
  kLost,
  kDeadline,
};

struct CauseFacts {
  const char* label;
  int status;
  bool retry_later;  ///< The answer carries Retry-After.
};

inline constexpr std::array<CauseFacts, 14> kCauses = {{
    {"no_shard", 503, true},
    {"no_consumers", 503, true},
    {"no_exchange", 503, true},
    {"no_connection", 503, true},
    {"blocked", 503, true},
    {"queue_full", 503, true},
    {"head_too_large", 431, false},
    {"rejected", 502, false},
    {"delivery_limit", 502, false},
    {"malformed_reply", 502, false},
    {"nacked", 502, false},
    {"retries_spent", 503, true},
    {"lost", 502, false},
    {"deadline", 504, false},
}};

constexpr const CauseFacts& Facts(Cause cause) { return kCauses[static_cast<std::size_t>(cause)]; }

/// An answer that the proxy makes itself.
struct Failure {
  int status = 502;
  std::string reason;        ///< One sentence for the client.
  bool retry_later = false;  ///< The answer carries Retry-After.
};

}  // namespace warren::proxy
