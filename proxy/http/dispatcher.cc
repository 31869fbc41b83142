// Requests on their way out and answers on their way back; what to do after a loss is dispatcher_retry.cc.
#include "proxy/http/dispatcher.h"

#include <algorithm>
#include <utility>

#include "proxy/wire/control.h"

namespace warren::proxy {
namespace {

/// Requests that wait in vain for a connection, or that the broker refuses to take.
constexpr const char* kNoConnection = "no connection to the message broker at the moment";
constexpr const char* kNoShard = "no shard could take the request";
constexpr const char* kBlocked = "the message broker takes no messages at the moment (resource alarm)";

}  // namespace

Dispatcher::Dispatcher(DispatcherOptions options, Transport& transport, DispatcherStats& stats)
    : options_(std::move(options)), transport_(transport), stats_(stats) {}

Dispatcher::~Dispatcher() { stats_.in_flight.fetch_sub(static_cast<std::int64_t>(in_flight_)); }

std::uint32_t Dispatcher::NewSlot() {
  if (free_.empty()) {
    slots_.emplace_back();
    return static_cast<std::uint32_t>(slots_.size() - 1);
  }
  const std::uint32_t index = free_.back();
  free_.pop_back();
  return index;
}

void Dispatcher::Link(std::uint32_t index) {
  Slot& slot = slots_[index];
  slot.previous = last_;
  slot.next = kNone;
  (last_ == kNone ? first_ : slots_[last_].next) = index;
  last_ = index;
}

void Dispatcher::Unlink(std::uint32_t index) {
  Slot& slot = slots_[index];
  (slot.previous == kNone ? first_ : slots_[slot.previous].next) = slot.next;
  (slot.next == kNone ? last_ : slots_[slot.next].previous) = slot.previous;
}

Dispatcher::Slot* Dispatcher::Live(Id id) {
  if (id.slot >= slots_.size()) return nullptr;
  Slot& slot = slots_[id.slot];
  return slot.live && slot.generation == id.generation ? &slot : nullptr;
}

Dispatcher::Id Dispatcher::Submit(TimePoint now, Job&& job, std::shared_ptr<AnswerSink> sink, std::uint64_t tag) {
  const std::uint32_t index = NewSlot();
  Slot& slot = slots_[index];
  slot.live = true;
  slot.waiting = slot.held = slot.gives_up = slot.nacked = slot.in_hand = false;
  slot.publishing_count = slot.refusals = 0;
  slot.tries = 0;
  slot.deadline = now + options_.timeout;
  std::swap(slot.job, job);
  slot.sink = std::move(sink);
  slot.tag = tag;
  Link(index);
  ++in_flight_;
  stats_.in_flight.fetch_add(1, std::memory_order_relaxed);
  const Id id{index, slot.generation};
  if (exchange_missing_) {
    FailNoExchange(index);
  } else if (blocked_) {
    DispatcherStats::Add(stats_.blocked);
    Fail(index, Cause::kBlocked, kBlocked);
  } else if (no_consumers_) {
    Fail(index, Cause::kNoConsumers, "no worker serves this at the moment");
  } else if (ready()) {
    Publish(now, index);
  } else {
    Hold(now, index);
  }
  return id;
}

void Dispatcher::Abandon(Id id) {
  Slot* slot = Live(id);
  if (slot == nullptr) return;
  slot->sink.reset();
  Finish(id.slot, Failure{});
}

void Dispatcher::Wait(std::uint32_t index) {
  Slot& slot = slots_[index];
  if (slot.waiting) return;
  slot.waiting = true;
  waiting_.push_back({index, slot.generation});
}

void Dispatcher::Hold(TimePoint now, std::uint32_t index) {
  Wait(index);
  Slot& slot = slots_[index];
  if (slot.held) return;
  slot.held = true;
  TimePoint until = now + options_.hold;
  if (down_since_ != TimePoint::min()) until = std::max(until, down_since_ + options_.hold_after_loss);
  alarms_.push({until, {index, slot.generation}, AlarmKind::kHoldEnds});
}

/// The place of one more publishing: the next free one, or that of a copy that was nacked. kNobody: as many copies as
/// may be are out there.
std::size_t Dispatcher::Room(const Slot& slot) {
  if (slot.publishing_count < kMaxPublishings) return slot.publishing_count;
  const auto gone = std::find_if(slot.publishings.begin(), slot.publishings.end(),
                                 [](const Publishing& publishing) { return publishing.state == State::kGone; });
  return gone == slot.publishings.end() ? kNobody : static_cast<std::size_t>(gone - slot.publishings.begin());
}

/// Forgets a publishing that is in no queue and in nobody's hands.
void Dispatcher::Remove(Slot& slot, std::size_t publishing) {
  table_.Erase(slot.publishings[publishing].token);
  slot.publishings[publishing] = {Token(), 0, State::kGone};
  while (slot.publishing_count > 0 && slot.publishings[slot.publishing_count - 1].token.empty()) {
    --slot.publishing_count;
  }
}

/// Whether a copy may be out there of which nothing bad is known.
bool Dispatcher::AnyOut(const Slot& slot) {
  return std::any_of(slot.publishings.begin(), slot.publishings.begin() + slot.publishing_count,
                     [](const Publishing& publishing) { return publishing.state != State::kGone; });
}

void Dispatcher::Publish(TimePoint now, std::uint32_t index) {
  Slot& slot = slots_[index];
  slot.waiting = false;
  if (!slot.job.request.retry_safe && slot.publishing_count > 0) return;  // Never two copies of what runs but once.
  const std::size_t place = Room(slot);
  if (place == kNobody) return;  // What is out there has to do; the deadline decides.
  const auto left = std::chrono::duration_cast<Milliseconds>(slot.deadline - now);
  const Token token = tokens_.Next();
  const auto text = token.Text();
  const auto receipt = transport_.Publish(slot.job.request, slot.job.routing_key, {text.data(), text.size()},
                                          std::max(left, Milliseconds(1)));
  if (!receipt) {
    if (receipt.error().code != ErrorCode::kInvalid) return Hold(now, index);
    return Fail(index, Cause::kHeadTooLarge, "the head is too large to be carried");
  }
  DispatcherStats::Add(stats_.publishings);
  if (slot.tries++ > 0) DispatcherStats::Add(stats_.retries);
  Unconfirmed& unconfirmed = unconfirmed_[receipt->channel];
  if (unconfirmed.sent.empty()) unconfirmed.first = receipt->sequence;
  unconfirmed.sent.push_back({{index, slot.generation}, static_cast<std::uint8_t>(place)});
  if (place == slot.publishing_count) {
    ++slot.publishing_count;
  } else if (const Token old = slot.publishings[place].token; !old.empty()) {
    table_.Erase(old);
    abandoned_.Add(old);
  }
  table_.Insert(token, {index, static_cast<std::uint32_t>(place)});
  slot.publishings[place] = {token, *receipt, State::kUnconfirmed};
  slot.published = now;
}

void Dispatcher::Finish(std::uint32_t index, std::variant<wire::Response, Failure>&& answer, std::size_t answered) {
  Slot& slot = slots_[index];
  Release(slot, answered);
  Unlink(index);
  slot.live = false;
  ++slot.generation;
  std::string().swap(slot.job.request.body);  // Assigning an empty one would keep the memory.
  if (slot.job.head_bytes > Job::kMaxKeptHeadBytes) {
    Job fresh;
    std::swap(slot.job, fresh);
  }
  --in_flight_;
  stats_.in_flight.fetch_sub(1, std::memory_order_relaxed);
  free_.push_back(index);
  const auto sink = std::move(slot.sink);
  slot.sink = nullptr;
  Outcome outcome{std::move(answer), slot.tries};
  if (sink) sink->OnAnswer(slot.tag, std::move(outcome));
  auto* response = std::get_if<wire::Response>(&outcome.answer);
  if (response == nullptr) return;
  std::string().swap(response->body);
  reply_ = std::move(*response);
}

void Dispatcher::Fail(std::uint32_t index, Cause cause, std::string reason, std::size_t answered) {
  const CauseFacts& facts = Facts(cause);
  DispatcherStats::Add(stats_.failures[static_cast<std::size_t>(cause)]);
  Finish(index, Failure{facts.status, std::move(reason), facts.retry_later}, answered);
}

void Dispatcher::FailNoExchange(std::uint32_t index) {
  Fail(index, Cause::kNoExchange, "the exchange " + options_.exchange + " does not exist");
}

void Dispatcher::FailAtDeadline(std::uint32_t index) {
  const Slot& slot = slots_[index];
  DispatcherStats::Add(stats_.deadlines);
  if (slot.publishing_count > 0) {
    return slot.gives_up ? Fail(index, Cause::kLost, kMaybeLost) : Fail(index, Cause::kDeadline, "no answer in time");
  }
  // It never got anywhere.
  slot.tries > 0 ? Fail(index, Cause::kNoShard, kNoShard) : Fail(index, Cause::kNoConnection, kNoConnection);
}

Dispatcher::Slot* Dispatcher::Find(std::string_view correlation_id, TokenTable::Place& place) {
  const auto token = Token::Parse(correlation_id);
  const auto* found = token ? table_.Find(*token) : nullptr;
  if (found == nullptr) return nullptr;
  place = *found;
  return &slots_[place.slot];
}

void Dispatcher::OnConfirm(TimePoint now, const Transport::Receipt& receipt, bool acked) {
  auto& [sent, first] = unconfirmed_[receipt.channel];
  if (receipt.sequence < first || receipt.sequence - first >= sent.size()) return;
  Sent& confirmed = sent[receipt.sequence - first];
  confirmed.done = true;
  const Id id = confirmed.id;
  const std::size_t publishing = confirmed.publishing;
  while (!sent.empty() && sent.front().done) {
    sent.pop_front();
    ++first;
  }
  if (!acked) DispatcherStats::Add(stats_.nacks);
  Slot* slot = Live(id);
  // The broker confirms what it returned as well; that place may have been used again.
  if (slot == nullptr || publishing >= slot->publishing_count || slot->publishings[publishing].receipt != receipt) {
    return;
  }
  State& state = slot->publishings[publishing].state;
  if (acked) {
    if (state == State::kUnconfirmed) state = State::kConfirmed;
    return;
  }
  state = State::kGone;  // It may have been delivered all the same: its token stays good.
  OnNack(now, id.slot);
}

void Dispatcher::OnReturn(TimePoint now, std::string_view correlation_id) {
  DispatcherStats::Add(stats_.returns);
  TokenTable::Place place;
  Slot* slot = Find(correlation_id, place);
  if (slot == nullptr) return;
  Remove(*slot, place.publishing);
  if (AnyOut(*slot)) return;  // An earlier copy may still be answered.
  // It reached no queue, so it may be sent again whatever its method is.
  slot->gives_up = false;
  if (Unsettled(now)) return PublishLater(now, place.slot);
  Fail(place.slot, Cause::kNoShard, "no shard of " + options_.exchange + " is bound");
}

void Dispatcher::CountUnknown(std::string_view correlation_id) {
  DispatcherStats::Add(stats_.unknown_replies);
  const auto token = Token::Parse(correlation_id);
  if (token && abandoned_.Contains(*token)) DispatcherStats::Add(stats_.late_replies);
}

void Dispatcher::OnReply(TimePoint now, const amqp_basic_properties_t& properties, std::string&& body, bool damaged) {
  const wire::Envelope envelope = wire::ReadEnvelope(properties);
  if (envelope.type == wire::kAcceptType) {
    if (const auto accept = wire::ReadAccept(properties)) return OnAccept(now, *accept);
  } else if (envelope.type == wire::kClaimType) {
    if (const auto claim = wire::ReadClaim(properties)) return OnClaim(now, *claim);
  }
  TokenTable::Place place;
  if (Find(envelope.correlation_id, place) == nullptr) return CountUnknown(envelope.correlation_id);
  if (!damaged) {
    if (wire::DecodeResponse(properties, std::move(body), reply_)) {
      return Finish(place.slot, std::move(reply_), place.publishing);
    }
  }
  DispatcherStats::Add(stats_.malformed_replies);
  Fail(place.slot, Cause::kMalformedReply, "the worker's answer is no HTTP response", place.publishing);
}

void Dispatcher::OnDeadLetter(std::string_view correlation_id, std::string_view reason) {
  DispatcherStats::Add(reason == "expired"          ? stats_.dead_expired
                       : reason == "maxlen"         ? stats_.dead_maxlen
                       : reason == "delivery_limit" ? stats_.dead_delivery_limit
                                                    : stats_.dead_rejected);
  TokenTable::Place place;
  Slot* slot = Find(correlation_id, place);
  if (slot == nullptr) return;
  Remove(*slot, place.publishing);
  if (reason == "maxlen" || reason == "expired") {
    if (AnyOut(*slot)) return;  // Another copy got further.
    if (reason == "maxlen") return Fail(place.slot, Cause::kQueueFull, "the queue of the stream is full");
    return Fail(place.slot, Cause::kDeadline, "no worker took the request in time");
  }
  if (reason == "delivery_limit") {
    return Fail(place.slot, Cause::kDeliveryLimit, "the request was delivered too often without an answer");
  }
  Fail(place.slot, Cause::kRejected, "a worker rejected the request");
}

void Dispatcher::OnBlocked(bool blocked) {
  blocked_ = blocked;
  if (!blocked) return;
  // What is not confirmed sits in front of the broker's closed door. The rest goes on.
  ForEachLive([this](std::uint32_t index, Slot& slot) {
    if (slot.publishing_count > 0 && slot.publishings[slot.publishing_count - 1].state != State::kUnconfirmed) return;
    if (slot.publishing_count > 0 && !slot.job.request.retry_safe) return;
    DispatcherStats::Add(stats_.blocked);
    Fail(index, Cause::kBlocked, kBlocked);
  });
}

void Dispatcher::Tick(TimePoint now) {
  while (first_ != kNone && slots_[first_].deadline <= now) FailAtDeadline(first_);
  if (settle_at_ <= now) Settle(now);
  if (!waiting_.empty()) PublishWaiting(now);
  // While nothing can be published, what was failed meanwhile is forgotten here.
  if (waiting_.size() > 2 * in_flight_ + 64) std::erase_if(waiting_, [this](Id id) { return Live(id) == nullptr; });
  while (!alarms_.empty() && alarms_.top().when <= now) {
    const Alarm alarm = alarms_.top();
    alarms_.pop();
    if (Live(alarm.id) == nullptr) continue;
    if (alarm.kind == AlarmKind::kHoldEnds) {
      Slot& slot = slots_[alarm.id.slot];
      slot.held = false;
      if (slot.waiting && slot.publishing_count == 0) Fail(alarm.id.slot, Cause::kNoConnection, kNoConnection);
    } else {
      Ring(now, alarm);
    }
  }
}

}  // namespace warren::proxy
