// The split and the rotation.
#include "proxy/gateway/subscriptions.h"

#include <algorithm>

namespace warren::gateway {

void Subscriptions::Want(const std::vector<std::string>& queues, Time now) {
  // A list without the queue is newer than its loss; one with it may be older.
  wanted_ = queues;
  wanted_names_ = {queues.begin(), queues.end()};
  std::erase_if(lost_, [&](const auto& lost) { return lost.second <= now || !wanted_names_.contains(lost.first); });
  dirty_ = true;
}

Subscriptions::Steps Subscriptions::Plan(Time now) {
  dirty_ = false;
  Steps steps;
  std::erase_if(lost_, [&](const auto& lost) { return lost.second <= now; });
  CloseUnwanted(steps);
  if (rotating()) {
    Rotate(steps, now);
    OpenNext(steps, now);
  } else {
    OpenMissing(steps, now);
  }
  return steps;
}

std::vector<Subscriptions::Number> Subscriptions::CloseAll() {
  wanted_.clear();
  wanted_names_.clear();
  lost_.clear();
  Steps steps;
  CloseUnwanted(steps);
  return steps.close;
}

void Subscriptions::CloseUnwanted(Steps& steps) {
  for (auto& held : held_) {
    if (held.second.active() && !wanted_names_.contains(held.second.queue)) StartClosing(held, steps);
  }
}

void Subscriptions::OpenMissing(Steps& steps, Time now) {
  std::vector<std::size_t> missing;
  for (std::size_t index = 0; index < wanted_.size(); ++index) {
    // What the old one had is there for the new one once it is closed.
    if (Free(wanted_[index]) && !(limited() && Awaiting(wanted_[index]))) missing.push_back(index);
  }
  std::size_t left = missing.size();
  for (const std::size_t index : missing) {
    if (whole_ || !limited()) {
      StartOpening(wanted_[index], limited() ? std::max(1u, TargetOf(index)) : 0, steps, now);
      continue;
    }
    // One is kept back for each of those that follow.
    const auto budget = Budget();
    if (budget == 0) break;
    const auto spare = static_cast<std::uint32_t>(budget > --left ? budget - left : 1);
    StartOpening(wanted_[index], std::min(TargetOf(index), spare), steps, now);
  }
  if (whole_ || !limited()) return;
  const bool waiting = std::any_of(missing.begin(), missing.end(), [&](auto index) { return Free(wanted_[index]); });
  if (waiting) {
    MakeRoom(steps);
  } else {
    Grow(steps);
  }
}

/// For a shard that has no share yet: the largest gives up its own, and takes a smaller one with the rest.
void Subscriptions::MakeRoom(Steps& steps) {
  auto largest = held_.end();
  for (auto held = held_.begin(); held != held_.end(); ++held) {
    if (held->second.state == State::kClosing) return;  // One at a time: room is coming.
    if (held->second.state != State::kLive || held->second.share <= 1) continue;
    if (largest == held_.end() || held->second.share > largest->second.share) largest = held;
  }
  if (largest != held_.end()) StartClosing(*largest, steps);
}

/// Shares that were left by shards that went are taken by those that have less than their part, when that costs
/// nothing. One at a time, so that it gets more than it had.
void Subscriptions::Grow(Steps& steps) {
  const auto closing = [](const auto& held) { return held.second.state == State::kClosing; };
  if (Budget() == 0 || std::any_of(held_.begin(), held_.end(), closing)) return;
  for (std::size_t index = 0; index < wanted_.size(); ++index) {
    const auto held = HolderOf(wanted_[index]);
    if (held == held_.end() || held->second.state != State::kLive || held->second.outstanding > 0) continue;
    if (held->second.share < TargetOf(index)) return StartClosing(*held, steps);
  }
}

void Subscriptions::Rotate(Steps& steps, Time now) {
  for (auto& held : held_) {
    if (held.second.state == State::kLive && (held.second.share > 1 || GivesWay(held.second, now))) {
      StartClosing(held, steps);
    }
  }
}

bool Subscriptions::GivesWay(const Held& held, Time now) const {
  const bool idle = held.outstanding == 0 && now - held.heard >= pause_;
  return idle || now - held.since >= std::max<std::chrono::milliseconds>(kTurn, pause_);
}

void Subscriptions::OpenNext(Steps& steps, Time now) {
  for (std::size_t looked = 0; looked < wanted_.size() && Budget() > 0; ++looked) {
    const std::string& queue = wanted_[cursor_++ % wanted_.size()];
    if (Free(queue) && !Awaiting(queue)) StartOpening(queue, 1, steps, now);
  }
  cursor_ %= wanted_.size();
}

void Subscriptions::StartOpening(const std::string& queue, std::uint32_t share, Steps& steps, Time now) {
  const Number number = ++last_number_;
  held_[number] = {queue, State::kOpening, share, 0, now, now};
  active_[queue] = number;
  ++opening_;
  steps.open.push_back({number, queue, static_cast<std::uint16_t>(share)});
}

void Subscriptions::StartClosing(HeldMap::value_type& held, Steps& steps) {
  if (rotating() && held.second.since == held.second.heard) {
    // Nothing came. When nothing came from any of them, there is less and less hurry.
    if (++fruitless_ >= wanted_.size()) {
      fruitless_ = 0;
      pause_ = std::min(pause_ * 2, LongestPause());
    }
  }
  if (held.second.state == State::kOpening) --opening_;
  active_.erase(held.second.queue);
  held.second.state = State::kClosing;
  steps.close.push_back(held.first);
}

std::chrono::milliseconds Subscriptions::LongestPause() const {
  return std::max(kFirstPause, kLongestRound * prefetch_ / static_cast<std::int64_t>(wanted_.size()));
}

void Subscriptions::OnOpened(Number number) {
  const auto held = held_.find(number);
  if (held == held_.end() || held->second.state != State::kOpening) return;
  held->second.state = State::kLive;
  --opening_;
  dirty_ |= limited();  // It may give way, or grow.
}

void Subscriptions::OnClosed(Number number) {
  const auto held = held_.find(number);
  if (held == held_.end()) return;
  Forget(held);
}

std::string Subscriptions::OnLost(Number number, Time now) {
  const auto held = held_.find(number);
  if (held == held_.end()) return {};
  std::string queue = held->second.queue;
  lost_[queue] = now + kLostPause;
  Forget(held);
  return queue;
}

void Subscriptions::Forget(HeldMap::iterator held) {
  dirty_ = true;
  if (held->second.state == State::kOpening) --opening_;
  if (held->second.active()) active_.erase(held->second.queue);
  if (held->second.outstanding == 0) {
    held_.erase(held);
  } else {
    held->second.state = State::kRetired;
  }
}

void Subscriptions::OnDelivered(Number number, Time now) {
  const auto held = held_.find(number);
  if (held == held_.end()) return;
  ++held->second.outstanding;
  // Strictly later than `since`, so that one that brought something can be told from one that did not.
  held->second.heard = std::max(now, held->second.since + std::chrono::steady_clock::duration(1));
  fruitless_ = 0;
  if (pause_ != kFirstPause) {
    pause_ = kFirstPause;
    dirty_ = true;
  }
}

void Subscriptions::OnSettled(Number number) {
  const auto held = held_.find(number);
  if (held == held_.end() || held->second.outstanding == 0) return;
  --held->second.outstanding;
  if (held->second.state == State::kRetired) {
    if (held->second.outstanding == 0) held_.erase(held);
    dirty_ = true;  // What it took up is free.
  } else if (held->second.outstanding == 0 && Budget() > 0) {
    dirty_ = true;  // It may grow.
  }
}

std::optional<Subscriptions::Time> Subscriptions::next() const {
  std::optional<Time> next;
  const auto take = [&](Time time) { next = next ? std::min(*next, time) : time; };
  for (const auto& [queue, until] : lost_) take(until);
  if (!rotating()) return next;
  for (const auto& [number, held] : held_) {
    if (held.state != State::kLive) continue;
    const Time turn = held.since + std::max<std::chrono::milliseconds>(kTurn, pause_);
    take(held.outstanding == 0 ? std::min(turn, held.heard + pause_) : turn);
  }
  return next;
}

bool Subscriptions::IsClosing(Number number) const {
  const auto held = held_.find(number);
  return held != held_.end() && held->second.state == State::kClosing;
}

std::vector<std::string> Subscriptions::Opening() const {
  std::vector<std::string> queues;
  for (const auto& [number, held] : held_) {
    if (held.state == State::kOpening) queues.push_back(held.queue);
  }
  return queues;
}

bool Subscriptions::idle() const {
  return std::all_of(held_.begin(), held_.end(), [](const auto& held) { return held.second.state == State::kRetired; });
}

/// The part of the prefetch that the shard at this place of the list is to have, when there is enough for all.
std::uint32_t Subscriptions::TargetOf(std::size_t index) const {
  const auto count = static_cast<std::uint32_t>(wanted_.size());
  return prefetch_ / count + (index < prefetch_ % count ? 1 : 0);
}

std::uint32_t Subscriptions::Budget() const {
  std::uint32_t used = 0;
  for (const auto& [number, held] : held_) used += held.used();
  return used < prefetch_ ? prefetch_ - used : 0;
}

Subscriptions::HeldMap::iterator Subscriptions::HolderOf(const std::string& queue) {
  const auto active = active_.find(queue);
  return active == active_.end() ? held_.end() : held_.find(active->second);
}

bool Subscriptions::Awaiting(std::string_view queue) const {
  return std::any_of(held_.begin(), held_.end(), [&](const auto& held) {
    return held.second.state == State::kClosing && held.second.queue == queue;
  });
}

}  // namespace warren::gateway
