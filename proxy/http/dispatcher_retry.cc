// The half of the dispatcher that deals with losses: nacks, lost connections, lost nodes. Retry-safe
// requests are published again, under the same routing key; the others get time for an answer that may
// still be on its way, then 502. What the broker returned reached no queue: it is tried again, whatever it
// is, as long as a lost node may be the reason.
//
// A node that goes takes the messages in its queues with it, and its bindings last a little longer than it does
// (up to several seconds in an orderly stop). So what is unanswered is published again not once but at several times
// after the loss (kSettleRounds), each time what may have gone to a dying queue since.
#include <algorithm>

#include "proxy/http/dispatcher.h"

namespace warren::proxy {
namespace {

constexpr int kSettleRounds[] = {1, 3, 6, 12};  ///< In units of `settle`, since the loss.
constexpr std::size_t kSettleRoundCount = std::size(kSettleRounds);

}  // namespace

void Dispatcher::OnNack(TimePoint now, std::uint32_t index) {
  Slot& slot = slots_[index];
  slot.nacked = true;
  const bool unsettled = Unsettled(now);
  // Nothing is known of a nacked copy, but its answer or its dead letter may be on their way.
  if (!slot.job.request.retry_safe) {
    return GiveUpLater(now, index, unsettled ? options_.grace : options_.nack_grace);
  }
  if (!unsettled && slot.refusals + 1u >= kMaxPublishings && !AnyOut(slot)) {
    return Fail(index, Cause::kRetriesSpent, "the message broker could not take the request");
  }
  PublishLater(now, index);
}

void Dispatcher::PublishLater(TimePoint now, std::uint32_t index) {
  Slot& slot = slots_[index];
  const auto pause = options_.retry_pause * (1u << std::min<unsigned>(slot.refusals, 8));
  if (slot.refusals < 0xff) ++slot.refusals;
  alarms_.push({now + std::min(pause, options_.longest_pause), {index, slot.generation}, AlarmKind::kRepublish});
}

void Dispatcher::GiveUpLater(TimePoint now, std::uint32_t index, Milliseconds grace) {
  Slot& slot = slots_[index];
  if (slot.gives_up) return;
  slot.gives_up = true;
  alarms_.push({now + grace, {index, slot.generation}, AlarmKind::kGiveUp});
}

void Dispatcher::Ring(TimePoint now, const Alarm& alarm) {
  const std::uint32_t index = alarm.id.slot;
  if (alarm.kind == AlarmKind::kGiveUp) {
    Slot& slot = slots_[index];
    if (!slot.gives_up) return;  // It came back since.
    if (!slot.in_hand) return Fail(index, slot.nacked ? Cause::kNacked : Cause::kLost, kMaybeLost);
    slot.gives_up = false;  // A worker has it after all.
    return;
  }
  if (CanPublish()) return Publish(now, index);
  Wait(index);
}

void Dispatcher::OnNodeLost(TimePoint now) {
  DispatcherStats::Add(stats_.nodes_lost);
  ++nodes_lost_;
  node_lost_at_ = now;
  unsettled_until_ = now + options_.unsettled;
  settle_round_ = 0;
  settle_at_ = now + options_.settle * kSettleRounds[0];
  ForEachLive([&](std::uint32_t index, Slot& slot) {
    slot.in_hand = false;
    if (!slot.job.request.retry_safe && slot.publishing_count > 0) GiveUpLater(now, index, options_.grace);
  });
}

void Dispatcher::OnNodeBack(TimePoint now) {
  if (nodes_lost_ > 0) --nodes_lost_;
  if (nodes_lost_ == 0) unsettled_until_ = std::min(unsettled_until_, now + options_.returning);
}

void Dispatcher::Settle(TimePoint now) {
  const bool first = settle_round_ == 0;
  settle_at_ = ++settle_round_ < kSettleRoundCount ? node_lost_at_ + options_.settle * kSettleRounds[settle_round_]
                                                   : TimePoint::max();
  ForEachLive([&](std::uint32_t index, Slot& slot) {
    if (slot.publishing_count == 0 || slot.waiting || slot.in_hand) return;
    if (!first && now - slot.published < options_.settle / 2) return;  // Most likely just on its way.
    if (!slot.job.request.retry_safe) return GiveUpLater(now, index, options_.grace);
    if (CanPublish()) {
      Publish(now, index);
    } else {
      Wait(index);
    }
  });
}

void Dispatcher::PublishWaiting(TimePoint now) {
  if (!CanPublish()) return;
  std::vector<Id> due;
  due.swap(waiting_);
  for (const Id id : due) {
    Slot* slot = Live(id);
    if (slot == nullptr || !slot->waiting) continue;
    slot->waiting = false;
    Publish(now, id.slot);
  }
}

void Dispatcher::OnPublishUp(TimePoint now) {
  publish_up_ = true;
  exchange_missing_ = false;
  for (Unconfirmed& channel : unconfirmed_) channel.sent.clear();
  PublishWaiting(now);
}

void Dispatcher::OnPublishDown(TimePoint now) {
  if (ready()) down_since_ = now;
  publish_up_ = false;
  blocked_ = false;
  for (Unconfirmed& channel : unconfirmed_) {
    std::deque<Sent> lost;
    lost.swap(channel.sent);
    for (const Sent& sent : lost) OnUnconfirmedLost(now, sent);
  }
}

void Dispatcher::OnUnconfirmedLost(TimePoint now, const Sent& sent) {
  Slot* slot = Live(sent.id);
  if (slot == nullptr || sent.done || sent.publishing >= slot->publishing_count) return;
  Publishing& publishing = slot->publishings[sent.publishing];
  if (publishing.state != State::kUnconfirmed) return;
  publishing.state = State::kGone;
  if (slot->job.request.retry_safe) return Wait(sent.id.slot);
  GiveUpLater(now, sent.id.slot, options_.grace);
}

void Dispatcher::OnExchangeMissing(TimePoint now) {
  OnPublishDown(now);
  exchange_missing_ = true;
  // What was confirmed reached a shard while there was one; its answer may come.
  ForEachLive([this](std::uint32_t index, Slot& slot) {
    if (slot.waiting) FailNoExchange(index);
  });
  waiting_.clear();
}

void Dispatcher::OnReplyQueueUp(TimePoint now) {
  reply_up_ = true;
  PublishWaiting(now);
}

void Dispatcher::OnReplyQueueDown(TimePoint now) {
  if (!reply_up_) return;
  if (ready()) down_since_ = now;
  reply_up_ = false;
  ForEachLive([&](std::uint32_t index, Slot& slot) {
    if (slot.publishing_count == 0) return;
    slot.in_hand = false;
    if (slot.job.request.retry_safe) return Wait(index);
    GiveUpLater(now, index, options_.grace);
  });
}

}  // namespace warren::proxy
