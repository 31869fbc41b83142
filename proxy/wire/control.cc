// http.accept, http.claim, http.cancel and http.grant as AMQP properties, and back.
#include "proxy/wire/control.h"

#include "shardmgr/broker/amqp/table.h"

namespace warren::wire {
namespace {

constexpr std::string_view kAttempt = ":attempt";

/// The attempt of a message of `type` with a correlation id; empty when it is none.
std::string_view Attempt(const amqp_basic_properties_t& properties, std::string_view type) {
  const Envelope envelope = ReadEnvelope(properties);
  if (envelope.type != type || envelope.correlation_id.empty()) return {};
  if ((properties._flags & AMQP_BASIC_HEADERS_FLAG) == 0) return {};
  const auto attempt = amqp::AsText(amqp::Find(properties.headers, kAttempt));
  return attempt && attempt->size() <= kMaxShortStringBytes ? *attempt : std::string_view();
}

std::optional<Accept> ReadUp(const amqp_basic_properties_t& properties, std::string_view type) {
  const std::string_view attempt = Attempt(properties, type);
  const Envelope envelope = ReadEnvelope(properties);
  if (attempt.empty() || envelope.reply_to.empty()) return std::nullopt;
  return Accept{envelope.correlation_id, envelope.reply_to, attempt};
}

std::optional<Cancel> ReadDown(const amqp_basic_properties_t& properties, std::string_view type) {
  const std::string_view attempt = Attempt(properties, type);
  if (attempt.empty()) return std::nullopt;
  return Cancel{ReadEnvelope(properties).correlation_id, attempt};
}

}  // namespace

const amqp_basic_properties_t& ControlEncoder::EncodeUp(std::string_view type, std::string_view correlation_id,
                                                        std::string_view inbox, std::string_view attempt) {
  Begin(type);
  SetShort(AMQP_BASIC_CORRELATION_ID_FLAG, &amqp_basic_properties_t::correlation_id, correlation_id);
  SetShort(AMQP_BASIC_REPLY_TO_FLAG, &amqp_basic_properties_t::reply_to, inbox);
  AddText(kAttempt, attempt);
  return Finish();
}

const amqp_basic_properties_t& ControlEncoder::EncodeDown(std::string_view type, std::string_view correlation_id,
                                                          std::string_view attempt) {
  Begin(type);
  SetShort(AMQP_BASIC_CORRELATION_ID_FLAG, &amqp_basic_properties_t::correlation_id, correlation_id);
  AddText(kAttempt, attempt);
  return Finish();
}

std::optional<Accept> ReadAccept(const amqp_basic_properties_t& properties) { return ReadUp(properties, kAcceptType); }

std::optional<Claim> ReadClaim(const amqp_basic_properties_t& properties) { return ReadUp(properties, kClaimType); }

std::optional<Cancel> ReadCancel(const amqp_basic_properties_t& properties) {
  return ReadDown(properties, kCancelType);
}

std::optional<Grant> ReadGrant(const amqp_basic_properties_t& properties) { return ReadDown(properties, kGrantType); }

}  // namespace warren::wire
