// The small messages about a request that is under way (docs/wire.md, "Long work" and "Claims"): a worker that works
// on one for a while says so and names its inbox, and the proxy says there that nobody waits any more; a worker that
// cannot tell whether another one had a request before asks the proxy whether it may run it.
//
//   http.accept   worker -> proxy, to the request's reply_to: correlation_id of the request, reply_to = the
//                 worker's inbox (an exclusive queue), header :attempt (unique for each delivery)
//   http.claim    worker -> proxy, as http.accept
//   http.cancel   proxy -> worker, to the inbox: correlation_id of the request, header :attempt
//   http.grant    proxy -> worker, as http.cancel: the claim's attempt may run it
//
// Pure. Encoders follow the rules of message.h.
#pragma once

#include <optional>
#include <string_view>

#include "proxy/wire/message.h"

namespace warren::wire {

inline constexpr std::string_view kAcceptType = "http.accept";
inline constexpr std::string_view kClaimType = "http.claim";
inline constexpr std::string_view kCancelType = "http.cancel";
inline constexpr std::string_view kGrantType = "http.grant";

/// Encodes these messages, one after another.
class ControlEncoder : public Encoder {
 public:
  const amqp_basic_properties_t& EncodeAccept(std::string_view correlation_id, std::string_view inbox,
                                              std::string_view attempt) {
    return EncodeUp(kAcceptType, correlation_id, inbox, attempt);
  }
  const amqp_basic_properties_t& EncodeClaim(std::string_view correlation_id, std::string_view inbox,
                                             std::string_view attempt) {
    return EncodeUp(kClaimType, correlation_id, inbox, attempt);
  }
  const amqp_basic_properties_t& EncodeCancel(std::string_view correlation_id, std::string_view attempt) {
    return EncodeDown(kCancelType, correlation_id, attempt);
  }
  const amqp_basic_properties_t& EncodeGrant(std::string_view correlation_id, std::string_view attempt) {
    return EncodeDown(kGrantType, correlation_id, attempt);
  }

 private:
  const amqp_basic_properties_t& EncodeUp(std::string_view type, std::string_view correlation_id,
                                          std::string_view inbox, std::string_view attempt);
  const amqp_basic_properties_t& EncodeDown(std::string_view type, std::string_view correlation_id,
                                            std::string_view attempt);
};

/// What an http.accept or http.claim says; views into the delivery.
struct Accept {
  std::string_view correlation_id;
  std::string_view inbox;
  std::string_view attempt;
};
using Claim = Accept;
/// Nothing when the message is of another type or lacks something; as the other readers.
std::optional<Accept> ReadAccept(const amqp_basic_properties_t& properties);
std::optional<Claim> ReadClaim(const amqp_basic_properties_t& properties);

/// What an http.cancel or http.grant says; views into the delivery.
struct Cancel {
  std::string_view correlation_id;
  std::string_view attempt;
};
using Grant = Cancel;
std::optional<Cancel> ReadCancel(const amqp_basic_properties_t& properties);
std::optional<Grant> ReadGrant(const amqp_basic_properties_t& properties);

}  // namespace warren::wire
