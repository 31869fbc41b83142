// What deliveries tell about marks, and which are given back.
#include "proxy/worker/redelivery_flag.h"

namespace warren::worker {

bool RedeliveryFlag::OnDelivery(TimePoint now, const Seen& seen) {
  if (seen.redelivered && seen.transient) works_ = true;
  if (!given_back_.empty() && seen.token == given_back_) {
    given_back_.clear();
    lost_ = lost_ || (!seen.redelivered && !works_);
    return false;
  }
  if (lost_ || (works_ ? tries_ > 0 : !needed_)) return false;
  if (seen.redelivered || !seen.retry_safe || seen.token.empty()) return false;
  if (tries_ == kMostTries || now < next_) return false;
  given_back_ = seen.token;
  ++tries_;
  next_ = now + pause_;
  pause_ *= 2;
  return true;
}

}  // namespace warren::worker
