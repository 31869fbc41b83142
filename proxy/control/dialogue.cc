// The rules of dialogue.h.
#include "proxy/control/dialogue.h"

namespace warren::control {

Dialogue::Time Dialogue::SilentAt() const {
  switch (state_) {
    case State::kAsking: return nobody_ ? began_ : began_ + kFirstAnswer;
    case State::kAssigned: return *heard_ + kSilentAfter;
    case State::kSilent: break;
  }
  return Time::max();
}

// A coordinator that is late is looked for before the next hello would be due.
Dialogue::Time Dialogue::HelloAt() const {
  if (!said_) return began_;
  if (refused_until_) return *refused_until_;
  const Time soon = *said_ + kSearchPause;
  if (hurry_ || nobody_) return soon;
  if (*said_ - heard_.value_or(began_) >= kUnheardFor) return *said_ + kUnheardPause;
  if (!heard_) return soon;
  return std::min(*said_ + kHelloPause, std::max(soon, *heard_ + kLateAfter));
}

Dialogue::Due Dialogue::Advance(Time now) {
  Due due;
  if (now >= SilentAt()) {
    state_ = State::kSilent;
    due.fell_silent = true;
  }
  if (now >= HelloAt()) {
    due.hello = true;
    said_ = now;
    refused_until_.reset();
    hurry_ = false;
  }
  return due;
}

void Dialogue::OnRefused(Time now) {
  nobody_ = true;
  refused_until_ = now + refused_pause_;
  refused_pause_ = std::min(2 * refused_pause_, kLongestRefusedPause);
}

void Dialogue::OnBlocked(Time now) {
  if (state_ == State::kAssigned) heard_ = now;
}

bool Dialogue::OnAssignment(const AssignmentNumber& number, Time now) {
  const bool any = !last_ || state_ == State::kSilent || now - *heard_ >= kSilentAfter;
  if (!any && number < *last_) return false;
  const bool counts = any || number > *last_;
  last_ = number;
  heard_ = now;
  nobody_ = false;
  refused_pause_ = kRefusedPause;
  state_ = State::kAssigned;
  return counts;
}

}  // namespace warren::control
