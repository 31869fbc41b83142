// Conversation: one client's AMQP 0-9-1 connection, spliced with one connection to a broker node. Bytes of either side
// go in, bytes for either side come out. Frames pass as they are, but for the methods that name a stream where a queue
// is meant; docs/gateway.md has the table of what becomes of those.
//
//      client  --FromClient-->  Conversation  --Output::to_broker-->  broker
//              <-Output::to_client--           <--FromBroker--
//
// It decides; sockets, timers, names and who consumes which shard are outside (Outside, session.h). Frames are not
// decoded further than needed: a frame's head, a method's number, and arguments of the methods it acts on. What is not
// well formed goes on as it is, and the broker answers.
//
// Pure: time comes in as an argument. One thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/gateway/stream_map.h"
#include "proxy/gateway/tally.h"

namespace warren::gateway {

using Time = std::chrono::steady_clock::time_point;

/// One consumer of a stream, unique in its conversation and never used again.
using ConsumerId = std::uint64_t;

struct ConsumerRequest {
  std::string vhost;
  std::string exchange;    ///< Of the stream.
  bool exclusive = false;  ///< It is to have every shard of the stream.
};

/// What a conversation needs to know and to have done. Called from inside its own calls; answers that take time come
/// by Conversation::OnShards.
class Outside {
 public:
  virtual ~Outside() = default;
  /// The streams as they are known now.
  virtual std::shared_ptr<const StreamMap> streams() const = 0;
  /// Name of the broker node at the other end; empty: not known.
  virtual std::string node() const = 0;
  /// A consumer asks for shards. OnShards follows, now and at each change, until Leave.
  virtual void Join(ConsumerId consumer, const ConsumerRequest& request) = 0;
  virtual void Leave(ConsumerId consumer) = 0;
  /// The broker ended what this consumer had on `queue`; OnShards follows.
  virtual void Lost(ConsumerId consumer, const std::string& queue) = 0;
};

struct ConversationOptions {
  bool accept_declare = false;     ///< queue.declare of a stream's name: declare-ok rather than 406.
  bool accept_purge = false;       ///< queue.purge of a stream's name: all shards rather than 406.
  std::uint16_t max_channels = 0;  ///< Offered to clients at most; 0: what the broker offers.
  std::size_t max_memory_bytes = std::size_t{4} << 20;  ///< What the conversation may remember; over it: 506.
};

/// What goes out; appended to.
struct Output {
  std::string to_client;
  std::string to_broker;
};

class Conversation {
 public:
  Conversation(const ConversationOptions& options, Outside& outside);
  ~Conversation();

  /// Bytes of the client, or of the broker; how many of them were taken. What was not taken is the beginning of a
  /// frame, or has to wait (stalled()): to be given again, with what comes after it. At most a frame is left when not
  /// stalled.
  std::size_t FromClient(std::string_view bytes, Time now, Output& out);
  std::size_t FromBroker(std::string_view bytes, Time now, Output& out);

  /// The client's next frame has to wait for the broker or for shards. Do not read from the client meanwhile; call
  /// FromClient with what was left once it is over.
  bool stalled() const;
  /// While stalled: the client has sent more. As long as it does the broker is told that it is alive.
  void HeardClient(Time now);

  /// What this consumer is to consume from now on: queues that are there. `known` is false when the stream itself is
  /// gone.
  void OnShards(ConsumerId consumer, const std::vector<std::string>& queues, bool known, Time now, Output& out);

  /// The broker's connection ended. Tells the client in AMQP's terms where that is possible; finished() then.
  void OnBrokerLost(std::string_view why, Time now, Output& out);
  /// The gateway stops: connection.close to both, as a broker that shuts down.
  void Shutdown(std::string_view why, Time now, Output& out);

  /// When Tick has something to do; nothing: never, as things are.
  std::optional<Time> next() const;
  void Tick(Time now, Output& out);

  /// Nothing more will come: write what is there, then close both.
  bool finished() const;
  /// The handshake is over: connection.open-ok has passed.
  bool open() const;

  std::chrono::seconds heartbeat() const;  ///< As agreed; 0: none, or not agreed yet.
  const std::string& user() const;         ///< As far as the mechanism shows it; empty: not known.
  const std::string& vhost() const;        ///< Empty before connection.open.
  const Tally& tally() const;
  std::size_t memory_bytes() const;  ///< About what it remembers now.

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace warren::gateway
