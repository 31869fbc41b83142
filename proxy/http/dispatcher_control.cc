// The half of the dispatcher that talks to workers about work under way: it remembers who has a request
// (http.accept), and tells them when nobody waits for it any more (http.cancel).
#include "proxy/http/dispatcher.h"

namespace warren::proxy {

void Dispatcher::OnAccept(TimePoint now, const wire::Accept& accept) {
  const auto token = Token::Parse(accept.correlation_id);
  if (!token) return;
  DispatcherStats::Add(stats_.accepts);
  if (const auto* place = table_.Find(*token)) {
    Slot& slot = slots_[place->slot];
    // While a node is going away, so may be the worker that still said this.
    slot.in_hand = node_lost_at_ == TimePoint::min() || now - node_lost_at_ >= options_.settle;
    for (Accepted& known : slot.accepted) {  // Delivered again: who had it before has lost it.
      if (known.token == *token) return known.inbox = accept.inbox, known.attempt = accept.attempt, void();
    }
    slot.accepted.push_back({*token, std::string(accept.inbox), std::string(accept.attempt)});
  } else if (abandoned_.Contains(*token)) {
    DispatcherStats::Add(stats_.cancels);
    transport_.Cancel(accept.inbox, accept.correlation_id, accept.attempt);
  }
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
