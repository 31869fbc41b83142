// The half of the dispatcher that deals with losses: nacks, lost connections, lost nodes. Retry-safe
// requests are published again, under the same routing key; the others get time for an answer that may
// still be on its way, then 502.
#include <algorithm>

#include "proxy/http/dispatcher.h"

namespace warren::proxy {

void Dispatcher::Retry(TimePoint now, std::uint32_t index, std::string_view why) {
  Slot& slot = slots_[index];
  const bool spent = slot.publishing_count == kMaxPublishings;
  if (!slot.job.request.retry_safe || spent)
    return Fail(index, spent ? Cause::kRetriesSpent : Cause::kNacked, std::string(why));
  PublishLater(now, index);
}

void Dispatcher::PublishLater(TimePoint now, std::uint32_t index) {
  Slot& slot = slots_[index];
  const auto pause = options_.retry_pause * (1u << (slot.publishing_count > 0 ? slot.publishing_count - 1 : 0));
  alarms_.push({now + pause, {index, slot.generation}, AlarmKind::kRepublish});
}

void Dispatcher::GiveUpLater(TimePoint now, std::uint32_t index) {
  Slot& slot = slots_[index];
  if (slot.gives_up) return;
  slot.gives_up = true;
  alarms_.push({now + options_.grace, {index, slot.generation}, AlarmKind::kGiveUp});
}

void Dispatcher::Ring(TimePoint now, const Alarm& alarm) {
  const std::uint32_t index = alarm.id.slot;
  if (alarm.kind == AlarmKind::kGiveUp) {
    return Fail(index, Cause::kLost,
                "the connection to the worker was lost; the request may or may not have been carried out");
  }
  if (ready()) return Publish(now, index);
  Wait(index);
}

bool Dispatcher::Unsettled(TimePoint now) const {
  return node_lost_at_ != TimePoint::min() && now - node_lost_at_ < options_.settle * 3;
}

void Dispatcher::OnNodeLost(TimePoint now) {
  DispatcherStats::Add(stats_.nodes_lost);
  node_lost_at_ = now;
  if (settle_at_ == TimePoint::max()) settle_at_ = now + options_.settle;
  ForEachLive([&](std::uint32_t index, Slot& slot) {
    if (!slot.job.request.retry_safe && slot.publishing_count > 0) GiveUpLater(now, index);
  });
}

void Dispatcher::Settle(TimePoint now) {
  settle_at_ = TimePoint::max();
  ForEachLive([&](std::uint32_t index, Slot& slot) {
    if (slot.publishing_count == 0 || slot.waiting) return;
    if (!slot.job.request.retry_safe) return GiveUpLater(now, index);  // Those sent while it settled.
    if (ready()) {
      Publish(now, index);
    } else {
      Wait(index);
    }
  });
}

void Dispatcher::PublishWaiting(TimePoint now) {
  if (!ready()) return;
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
  sent_.clear();
  ForEachLive([&](std::uint32_t index, Slot& slot) {
    if (!slot.awaits_reconnect) return;
    slot.awaits_reconnect = false;
    GiveUpLater(now, index);
  });
  PublishWaiting(now);
}

void Dispatcher::OnPublishDown(TimePoint) {
  publish_up_ = false;
  blocked_ = false;
  std::deque<Sent> lost;
  lost.swap(sent_);
  for (const Sent& sent : lost) {
    Slot* slot = Live(sent.id);
    if (slot == nullptr || slot->publishings[sent.publishing].state != State::kUnconfirmed) continue;
    slot->publishings[sent.publishing].state = State::kGone;
    if (slot->job.request.retry_safe) {
      Wait(sent.id.slot);
    } else {
      slot->awaits_reconnect = true;
    }
  }
}

void Dispatcher::OnExchangeMissing(TimePoint now) {
  OnPublishDown(now);
  exchange_missing_ = true;
  // What was confirmed reached a shard while there was one; its answer may come.
  ForEachLive([this](std::uint32_t index, Slot& slot) {
    if (!slot.waiting && !slot.awaits_reconnect) return;
    Fail(index, Cause::kNoExchange, "the exchange " + options_.exchange + " does not exist");
  });
  waiting_.clear();
}

void Dispatcher::OnReplyQueueUp(TimePoint now) {
  reply_up_ = true;
  PublishWaiting(now);
}

void Dispatcher::OnReplyQueueDown(TimePoint now) {
  if (!reply_up_) return;
  reply_up_ = false;
  ForEachLive([&](std::uint32_t index, Slot& slot) {
    if (slot.publishing_count == 0) return;
    if (slot.job.request.retry_safe) return Wait(index);
    GiveUpLater(now, index);
  });
}

}  // namespace warren::proxy
