// Channel, StreamConsumer, Operation: what a conversation remembers of one AMQP channel. Plain state; what becomes of
// it is in conversation_impl.h. A channel that never names a stream has next to nothing in here.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "proxy/gateway/conversation.h"
#include "proxy/gateway/methods.h"
#include "proxy/gateway/subscriptions.h"

namespace warren::gateway {

/// Whether a message's frames are under way in one direction of a channel: nothing of ours may come between them.
class ContentProgress {
 public:
  void Begin() { header_due_ = true; }
  /// A header or body frame; whether it was the last of its message.
  bool Take(const amqp::Frame& frame);
  bool busy() const { return header_due_ || left_ > 0; }

 private:
  bool header_due_ = false;
  std::uint64_t left_ = 0;  ///< Bytes of body.
};

/// A consumer of a stream as the client knows it.
struct StreamConsumer {
  ConsumerId id = 0;
  std::uint16_t channel = 0;
  std::string name;  ///< The queue as the client calls it.
  std::string exchange;
  std::string tag;
  std::uint8_t flags = 0;  ///< Of basic.consume.
  std::string arguments;
  Subscriptions subscriptions = Subscriptions(0);
  bool joined = false;          ///< Shards were told at least once.
  bool answered = false;        ///< The client has its consume-ok, or wants none.
  bool cancelled = false;       ///< By the client.
  bool cancel_ok = false;       ///< The client waits for cancel-ok.
  bool finishes_alone = false;  ///< Cancelled when nothing of it was there upstream.
  bool stream_gone = false;
  bool left = false;             ///< It asks for shards no more.
  std::size_t checks = 0;        ///< Operations that still ask whether somebody consumes its shards.
  std::string held;              ///< Deliveries to an exclusive consumer that has no consume-ok yet.
  std::size_t memory_bytes = 0;  ///< As accounted.

  /// Something of its own is to be said to the client first.
  bool awaited() const { return !joined || checks > 0 || (!answered && !no_wait()) || cancel_ok; }
  bool no_wait() const { return (flags & Consume::kNoWait) != 0; }
  bool no_ack() const { return (flags & Consume::kNoAck) != 0; }
  bool exclusive() const { return (flags & Consume::kExclusive) != 0; }
};

/// A method of the client on a stream that takes several upstream: get until one has a message; declare and purge all;
/// kCheck is a passive declare of all before they are consumed.
struct Operation {
  enum class Kind : std::uint8_t { kGet, kDeclare, kPurge, kCheck };
  Kind kind = Kind::kGet;
  std::string name;  ///< The queue as the client calls it.
  std::string exchange;
  ConsumerId consumer = 0;          ///< kCheck: for this one.
  bool bit = false;                 ///< kGet: no-ack. Otherwise: no-wait.
  std::vector<std::string> queues;  ///< kGet: those to be asked, the first is being asked.
  std::size_t waiting = 0;          ///< Replies still to come.
  std::uint64_t messages = 0, consumers = 0;
};

/// A reply that the broker owes on a channel: it gives these four in the order in which they were asked for.
struct Expected {
  enum class Reply : std::uint8_t { kQos, kGet, kDeclare, kPurge };
  Reply reply = Reply::kQos;
  bool ours = false;                          ///< The client did not ask and is not told.
  std::shared_ptr<Operation> operation = {};  ///< What asked, unless that is a qos.
  std::string frames = {};                    ///< To be said to the client then.
};

/// Memory of a consumer tag in a set, as accounted.
inline std::size_t TagBytes(std::string_view tag) { return 64 + tag.size(); }

/// A delivery's or an upstream consumer's owner.
struct Owner {
  ConsumerId consumer = 0;
  Subscriptions::Number number = 0;
};

/// Deliveries in the client's hands, by delivery tag.
using Unsettled = std::map<std::uint64_t, Owner>;

struct TagHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view tag) const { return std::hash<std::string_view>()(tag); }
};

struct Channel {
  enum class Phase : std::uint8_t {
    kOpen,
    kClientCloses,  ///< channel.close of the client has passed.
    kBrokerCloses,  ///< channel.close of the broker has passed.
    kRefused,       ///< The gateway said channel.close to both.
  };

  explicit Channel(std::uint16_t channel_number) : number(channel_number) {}

  const std::uint16_t number;
  Phase phase = Phase::kOpen;
  bool client_done = false, broker_done = false;  ///< kRefused: who has said close-ok.
  ContentProgress from_client, from_broker;
  std::string to_broker, to_client;  ///< Frames of ours that wait for the end of a message.
  std::deque<Expected> expected;
  std::uint16_t prefetch = 0;         ///< As the client set it, for consumers to come.
  std::uint16_t broker_prefetch = 0;  ///< As the broker has it now.
  std::string last_declared;          ///< What the empty name stands for; empty: what the broker says.
  std::string own_declared;           ///< The queue that the broker told the client of last.
  bool shard_declared = false;        ///< A shard was declared since, so the broker does not know.
  std::map<std::string, ConsumerId, std::less<>> stream_tags;
  std::set<std::string, std::less<>> ordinary_tags;
  std::unordered_map<std::string, Owner, TagHash, std::equal_to<>> upstream_tags;
  Unsettled unsettled;  ///< Of limited consumers. Not accounted: the prefetch is its limit.
  bool in_transaction = false;
  std::vector<Settlement> uncommitted;
  std::size_t get_turn = 0;            ///< With which shard the next get begins.
  std::shared_ptr<Operation> getting;  ///< The client's further methods wait for it.
  ConsumerId diverted_to = 0;          ///< The message under way from the broker is held for this consumer.
};

}  // namespace warren::gateway
