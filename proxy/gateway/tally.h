// Tally: what a conversation counts; only rising numbers but for those of what there is now. Plain values.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace warren::gateway {

/// Methods on a stream's name that are not passed as they are.
enum class Rewrite : std::uint8_t {
  kConsume,
  kCancel,
  kGet,
  kDeclare,
  kDeclarePassive,
  kDelete,
  kBind,
  kUnbind,
  kPurge,
  kDeliver,
  kCancelNotice,
  kCount,
};

/// As the label of a metric: the method's name.
constexpr std::string_view NameOf(Rewrite rewrite) {
  constexpr std::array<std::string_view, static_cast<std::size_t>(Rewrite::kCount)> kNames = {
      "basic.consume", "basic.cancel", "basic.get",   "queue.declare", "queue.declare-passive", "queue.delete",
      "queue.bind",    "queue.unbind", "queue.purge", "basic.deliver", "basic.cancel-notice"};
  return kNames[static_cast<std::size_t>(rewrite)];
}

struct Tally {
  std::uint64_t client_frames = 0, broker_frames = 0;  ///< Read from each.
  std::array<std::uint64_t, static_cast<std::size_t>(Rewrite::kCount)> rewrites{};
  std::uint64_t refusals = 0;         ///< channel.close and connection.close that the gateway made.
  std::uint64_t protocol_errors = 0;  ///< Bytes of the client that are no AMQP.
  std::uint32_t channels = 0;         ///< Open now.
  std::uint32_t consumers = 0;        ///< Of streams, open now.
};

}  // namespace warren::gateway
