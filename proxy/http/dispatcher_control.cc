// The half of the dispatcher that talks to workers about work under way: it remembers who has a request
// (http.accept, http.claim), which of them may run it (http.grant), and tells them when nobody waits for it any more
// (http.cancel).
#include <algorithm>

#include "proxy/http/dispatcher.h"

namespace warren::proxy {

/// Whether a worker that says so has a request for good: while a node is going away, so may be the worker.
bool Dispatcher::InHand(TimePoint now) const {
  return node_lost_at_ == TimePoint::min() || now - node_lost_at_ >= options_.settle;
}

void Dispatcher::Hold(TimePoint now, Slot& slot, const Token& token, const wire::Accept& by) {
  slot.in_hand = InHand(now);
  auto known = std::find_if(slot.accepted.begin(), slot.accepted.end(),
                            [&](const Accepted& each) { return each.token == token; });
  if (known == slot.accepted.end()) {
    known = slot.accepted.insert(known, {token, std::string(by.attempt), {}, {}});
  }
  known->inbox = by.inbox;  // Delivered again: who had it before has lost it.
  known->attempt = by.attempt;
}

void Dispatcher::OnAccept(TimePoint now, const wire::Accept& accept) {
  const auto token = Token::Parse(accept.correlation_id);
  if (!token) return;
  DispatcherStats::Add(stats_.accepts);
  if (const auto* place = table_.Find(*token)) {
    Hold(now, slots_[place->slot], *token, accept);
  } else if (abandoned_.Contains(*token)) {
    DispatcherStats::Add(stats_.cancels);
    transport_.Cancel(accept.inbox, accept.correlation_id, accept.attempt);
  }
}

// One delivery of a copy may run it, for good: the first that says anything. The worker asks again where no answer
// came, so one that cannot be sent now is not missed.
void Dispatcher::OnClaim(TimePoint now, const wire::Claim& claim) {
  const auto token = Token::Parse(claim.correlation_id);
  if (!token) return;
  const auto refuse = [&] {
    DispatcherStats::Add(stats_.claims_refused);
    transport_.Cancel(claim.inbox, claim.correlation_id, claim.attempt);
  };
  const auto* place = table_.Find(*token);
  if (place == nullptr) return refuse();
  const std::uint32_t index = place->slot;
  for (const Accepted& known : slots_[index].accepted) {
    if (!(known.token == *token) || known.owner == claim.attempt) continue;
    refuse();
    return Fail(index, Cause::kLost, kMaybeLost);
  }
  Hold(now, slots_[index], *token, claim);
  DispatcherStats::Add(stats_.grants);
  transport_.Grant(claim.inbox, claim.correlation_id, claim.attempt);
}

/// Forgets all publishings of a request that is over; whoever works on one that was not the answer is told.
void Dispatcher::Release(Slot& slot, std::size_t answered) {
  for (std::size_t i = 0; i < slot.publishing_count; ++i) {
    const Token token = slot.publishings[i].token;
    if (token.empty()) continue;
    table_.Erase(token);
    if (i == answered) continue;
    Drop(slot, token);
    abandoned_.Add(token);  // Who accepts it later, or again after a redelivery, is told then.
  }
  slot.accepted.clear();
}

void Dispatcher::Drop(const Slot& slot, const Token& token) {
  for (const Accepted& accepted : slot.accepted) {
    if (!(accepted.token == token)) continue;
    const auto text = token.Text();
    DispatcherStats::Add(stats_.cancels);
    transport_.Cancel(accepted.inbox, {text.data(), text.size()}, accepted.attempt);
  }
}

}  // namespace warren::proxy
