// The small messages about a request that is under way (docs/wire.md, "Long work"): a worker that works
// on one for a while says so and names its inbox, and the proxy says there that nobody waits any more.
//
//   http.accept   worker -> proxy, to the request's reply_to: correlation_id of the request, reply_to = the
//                 worker's inbox (an exclusive queue), header :attempt (unique for each delivery)
//   http.cancel   proxy -> worker, to the inbox: correlation_id of the request, header :attempt
//
// Pure. Encoders follow the rules of message.h.
#pragma once

#include <optional>
#include <string_view>

#include "proxy/wire/message.h"

namespace warren::wire {

inline constexpr std::string_view kAcceptType = "http.accept";
inline constexpr std::string_view kCancelType = "http.cancel";

/// Encodes accepts and cancels, one after another.
class ControlEncoder : public Encoder {
 public:
  const amqp_basic_properties_t& EncodeAccept(std::string_view correlation_id, std::string_view inbox,
                                              std::string_view attempt);
  const amqp_basic_properties_t& EncodeCancel(std::string_view correlation_id, std::string_view attempt);
};

/// What an http.accept says; views into the delivery.
struct Accept {
  std::string_view correlation_id;
  std::string_view inbox;
  std::string_view attempt;
};
/// Nothing when the message is of another type or lacks something.
std::optional<Accept> ReadAccept(const amqp_basic_properties_t& properties);

/// What an http.cancel says; views into the delivery.
struct Cancel {
  std::string_view correlation_id;
  std::string_view attempt;
};
std::optional<Cancel> ReadCancel(const amqp_basic_properties_t& properties);

}  // namespace warren::wire
