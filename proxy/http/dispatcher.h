// Dispatcher: from "here is a request" to "here is its one answer", whatever happens in between:
// returns, nacks, lost connections and nodes, duplicates, deadlines. The failure rules of docs/wire.md.
//
// A state machine without sockets or clock: a Transport publishes for it, the owner feeds it with what
// the broker said and with the time. A request may be published several times (when it is retry-safe);
// each publishing has a token of its own, and the first answer to any of them wins. A worker that works on one for a
// while names its inbox (http.accept); it is told there when nobody waits any more (http.cancel).
//
// Threads: one dispatcher belongs to one I/O thread. Sinks are called from inside any call, Submit
// included, exactly once for each request that is not abandoned, and must not call back.
// Costs: a request that meets no trouble takes one table entry, one slot and no allocation of its own.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <queue>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "proxy/http/failure.h"
#include "proxy/http/token.h"
#include "proxy/wire/control.h"
#include "proxy/wire/message.h"

namespace warren::proxy {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using Milliseconds = std::chrono::milliseconds;

/// A request with its way to a shard. Its memory is used again for others: see Submit.
struct Job {
  static constexpr std::size_t kMaxKeptHeadBytes = 4'096;  ///< Of larger heads the memory is not kept.

  wire::Request request;
  std::string routing_key;
  std::size_t head_bytes = 0;  ///< As it came from the client.
};

struct Outcome {
  std::variant<wire::Response, Failure> answer;
  int publishings = 0;  ///< How often the request was published.
};

/// Takes the answer to a request; `tag` is what Submit was given.
class AnswerSink {
 public:
  virtual ~AnswerSink() = default;
  virtual void OnAnswer(std::uint64_t tag, Outcome&& outcome) = 0;
};

/// Publishes for a dispatcher: mandatory, in confirm mode, with the reply queue of the moment.
class Transport {
 public:
  /// Channels that messages go out on.
  static constexpr std::size_t kChannels = 2;
  /// What the broker confirms: a message by its number on its channel, from 1.
  struct Receipt {
    Receipt(std::uint64_t number, std::size_t of_channel = 0) : sequence(number), channel(of_channel) {}
    bool operator==(const Receipt&) const = default;
    std::uint64_t sequence;
    std::size_t channel;
  };

  virtual ~Transport() = default;
  /// Errors: kInvalid (the head does not fit a frame), anything else: not possible now.
  virtual Result<Receipt> Publish(wire::Request& request, std::string_view routing_key, std::string_view correlation_id,
                                  Milliseconds expiration) = 0;
  /// Sends http.cancel to a worker's inbox, as well as that goes now.
  virtual void Cancel(std::string_view inbox, std::string_view correlation_id, std::string_view attempt) = 0;
  /// Sends http.grant, as Cancel.
  virtual void Grant(std::string_view inbox, std::string_view correlation_id, std::string_view attempt) = 0;
};

/// What happened, for metrics; written by the I/O thread, read by any.
struct DispatcherStats {
  using Count = std::atomic<std::uint64_t>;
  Count publishings{0}, retries{0}, returns{0}, nacks{0}, blocked{0}, deadlines{0};
  Count unknown_replies{0}, late_replies{0};  ///< Of no request any more; late: of a publishing that was given up.
  Count malformed_replies{0}, nodes_lost{0}, accepts{0}, cancels{0};
  Count grants{0}, claims_refused{0};  ///< Answers to http.claim; refused: somebody else had it, or nobody waits.
  Count dead_rejected{0}, dead_maxlen{0}, dead_delivery_limit{0}, dead_expired{0};  ///< Dead letters by reason.
  std::atomic<std::int64_t> in_flight{0};
  std::array<Count, kCauses.size()> failures{};  ///< Answers of the dispatcher's own, by Cause.

  static void Add(Count& count) { count.fetch_add(1, std::memory_order_relaxed); }
};

struct DispatcherOptions {
  std::string exchange;                  ///< For messages alone.
  Milliseconds timeout{30'000};          ///< From Submit to 504.
  Milliseconds hold{2'000};              ///< How long a request waits for a connection before 503, at least.
  Milliseconds hold_after_loss{15'000};  ///< The same from the loss of a connection: time to find another node.
  Milliseconds settle{1'000};            ///< From a node's loss until its bindings are gone, as a rule.
  Milliseconds unsettled{60'000};        ///< How long a lost node that stays away explains returns and nacks.
  Milliseconds returning{10'000};        ///< The same once it is back.
  Milliseconds grace{5'000};             ///< Until 502 for what is not retry-safe and may have been lost.
  Milliseconds nack_grace{250};          ///< The same after a nack while all nodes are there.
  Milliseconds retry_pause{50};          ///< Before the first retry after a nack or a return; doubles each time.
  Milliseconds longest_pause{800};       ///< Between two retries.
};

class Dispatcher {
 public:
  /// Copies of one request that may be out there; and attempts while no node is lost.
  static constexpr std::size_t kMaxPublishings = 8;
  static constexpr std::size_t kRememberedTokens = 4'096;  ///< Of publishings that nobody waits for any more.

  /// A request in flight; for Abandon.
  struct Id {
    std::uint32_t slot = 0;
    std::uint32_t generation = 0;  ///< 0: none.
  };

  Dispatcher(DispatcherOptions options, Transport& transport, DispatcherStats& stats);
  ~Dispatcher();

  /// Leaves the memory of an earlier request in `job`, to be written over.
  Id Submit(TimePoint now, Job&& job, std::shared_ptr<AnswerSink> sink, std::uint64_t tag);
  /// The client is gone: no answer is wanted. Unknown and old ids are ignored.
  void Abandon(Id id);

  // What the publish connection says.
  void OnPublishUp(TimePoint now);  ///< A new channel is in confirm mode, and the exchange is there.
  void OnPublishDown(TimePoint now);
  void OnExchangeMissing(TimePoint now);  ///< As OnPublishDown; requests get 503 until OnPublishUp.
  void OnBlocked(bool blocked);
  void OnConfirm(TimePoint now, const Transport::Receipt& receipt, bool acked);
  void OnReturn(TimePoint now, std::string_view correlation_id);

  // What the consume connection says.
  void OnReplyQueueUp(TimePoint now);
  void OnReplyQueueDown(TimePoint now);
  /// A response, an http.accept or an http.claim. `damaged`: the message did not arrive as it was sent.
  void OnReply(TimePoint now, const amqp_basic_properties_t& properties, std::string&& body, bool damaged);
  /// A request came back through the dead-letter exchange. `reason` as in x-death.
  void OnDeadLetter(std::string_view correlation_id, std::string_view reason);

  /// A node's watch connection dropped.
  void OnNodeLost(TimePoint now);
  /// A node that was lost is there again.
  void OnNodeBack(TimePoint now);
  /// No shard of the stream has a consumer, and such requests are to fail.
  void SetNoConsumers(bool none) { no_consumers_ = none; }

  /// Does what is due; to be called every few milliseconds while in_flight() > 0.
  void Tick(TimePoint now);

  bool ready() const { return publish_up_ && reply_up_; }
  bool exchange_missing() const { return exchange_missing_; }
  std::size_t in_flight() const { return in_flight_; }

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;
  static constexpr const char* kMaybeLost =
      "the connection to the worker was lost; the request may or may not have been carried out";
  static constexpr std::size_t kNobody = ~std::size_t{0};  ///< No publishing.
  enum class State : std::uint8_t { kUnconfirmed, kConfirmed, kGone };

  /// One copy. kGone: nacked, or its connection was lost before the confirm; it may be out there all the same.
  struct Publishing {
    Token token;
    Transport::Receipt receipt{0};
    State state = State::kUnconfirmed;
  };
  /// Workers have had this copy for a while, or have claimed it.
  struct Accepted {
    Token token;
    std::string owner;           ///< The first attempt: nobody else may run what must not run twice.
    std::string inbox, attempt;  ///< Who has it now, to be told when nobody waits.
  };

  struct Slot {
    std::uint32_t generation = 1;
    std::uint32_t previous = kNone, next = kNone;  ///< In order of deadlines.
    bool live = false;
    bool waiting = false;   ///< In waiting_: to be published when that is possible.
    bool held = false;      ///< A kHoldEnds alarm is set.
    bool gives_up = false;  ///< A kGiveUp alarm is set: something was lost, and it may not be repeated.
    bool nacked = false;    ///< The broker could not take a copy.
    bool in_hand = false;   ///< A worker said that it has it, and nothing was lost since.
    std::uint8_t publishing_count = 0;
    std::uint8_t refusals = 0;  ///< Nacks and returns, for the pause before the next attempt.
    int tries = 0;              ///< Publishings, with those that were returned.
    std::array<Publishing, kMaxPublishings> publishings;
    TimePoint deadline;
    TimePoint published;
    std::vector<Accepted> accepted;
    Job job;
    std::shared_ptr<AnswerSink> sink;
    std::uint64_t tag = 0;
  };

  enum class AlarmKind : std::uint8_t { kHoldEnds, kRepublish, kGiveUp };
  struct Alarm {
    TimePoint when;
    Id id;
    AlarmKind kind;
    bool operator>(const Alarm& other) const { return when > other.when; }
  };

  struct Sent {
    Id id;
    std::uint8_t publishing = 0;
    bool done = false;
  };
  /// Unconfirmed publishings of a channel, by sequence.
  struct Unconfirmed {
    std::deque<Sent> sent;
    std::uint64_t first = 1;  ///< Sequence of sent.front().
  };

  // dispatcher.cc
  std::uint32_t NewSlot();
  void Finish(std::uint32_t index, std::variant<wire::Response, Failure>&& answer, std::size_t answered = kNobody);
  void Fail(std::uint32_t index, Cause cause, std::string reason, std::size_t answered = kNobody);
  void FailAtDeadline(std::uint32_t index);
  void FailNoExchange(std::uint32_t index);
  void Link(std::uint32_t index);
  void Unlink(std::uint32_t index);
  Slot* Live(Id id);
  Slot* Find(std::string_view correlation_id, TokenTable::Place& place);
  void CountUnknown(std::string_view correlation_id);
  static std::size_t Room(const Slot& slot);
  void Remove(Slot& slot, std::size_t publishing);
  static bool AnyOut(const Slot& slot);
  void Publish(TimePoint now, std::uint32_t index);
  void Wait(std::uint32_t index);
  void Hold(TimePoint now, std::uint32_t index);

  // dispatcher_control.cc
  void OnAccept(TimePoint now, const wire::Accept& accept);
  void OnClaim(TimePoint now, const wire::Claim& claim);
  bool InHand(TimePoint now) const;
  void Hold(TimePoint now, Slot& slot, const Token& token, const wire::Accept& by);
  void Release(Slot& slot, std::size_t answered);
  void Drop(const Slot& slot, const Token& token);

  // dispatcher_retry.cc
  void OnNack(TimePoint now, std::uint32_t index);
  void OnUnconfirmedLost(TimePoint now, const Sent& sent);
  void PublishLater(TimePoint now, std::uint32_t index);
  void GiveUpLater(TimePoint now, std::uint32_t index, Milliseconds grace);
  void Settle(TimePoint now);
  void PublishWaiting(TimePoint now);
  void Ring(TimePoint now, const Alarm& alarm);
  bool Unsettled(TimePoint now) const { return now < unsettled_until_; }
  bool CanPublish() const { return ready() && !blocked_; }
  /// `action(index, slot)` may finish that request, and no other.
  template <class Action>
  void ForEachLive(Action action) {
    for (std::uint32_t index = first_; index != kNone;) {
      const std::uint32_t next = slots_[index].next;
      action(index, slots_[index]);
      index = next;
    }
  }

  const DispatcherOptions options_;
  Transport& transport_;
  DispatcherStats& stats_;
  TokenSource tokens_;
  TokenTable table_;
  TokenRing abandoned_{kRememberedTokens};
  std::deque<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::uint32_t first_ = kNone, last_ = kNone;  ///< Of the list by deadline.
  std::size_t in_flight_ = 0;
  std::vector<Id> waiting_;
  std::priority_queue<Alarm, std::vector<Alarm>, std::greater<>> alarms_;
  wire::Response reply_;  ///< Each is read over the one before.
  std::array<Unconfirmed, Transport::kChannels> unconfirmed_;
  bool publish_up_ = false, reply_up_ = false, blocked_ = false;
  bool exchange_missing_ = false, no_consumers_ = false;
  TimePoint down_since_ = TimePoint::min();  ///< When ready() ended last.
  TimePoint node_lost_at_ = TimePoint::min(), unsettled_until_ = TimePoint::min();
  TimePoint settle_at_ = TimePoint::max();
  std::size_t settle_round_ = 0;
  int nodes_lost_ = 0;
};

}  // namespace warren::proxy
