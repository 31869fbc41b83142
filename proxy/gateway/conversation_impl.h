// Conversation::Impl: the state machine behind conversation.h. One class, in files by what they are about:
//
//   conversation.cc   bytes to frames; the connection: handshake, closing, refusals
//   client_frames.cc  what the client says on a channel
//   broker_frames.cc  what the broker says on a channel
//   consuming.cc      the life of a consumer of a stream
//   operations.cc     get, passive declare and purge of a stream
//
// Not for others to include. Pure; one thread at a time.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "proxy/gateway/channel.h"
#include "proxy/gateway/conversation.h"
#include "proxy/gateway/methods.h"

namespace warren::gateway {

class Conversation::Impl {
 public:
  Impl(const ConversationOptions& options, Outside& outside) : options_(options), outside_(outside) {}

  std::size_t FromClient(std::string_view bytes);
  std::size_t FromBroker(std::string_view bytes);
  bool stalled() const;
  void OnShards(ConsumerId id, const std::vector<std::string>& queues, bool known);
  void OnBrokerLost(std::string_view why);
  void Shutdown(std::string_view why);
  std::optional<Time> next() const;
  void Tick();

  /// For the length of one call from outside.
  void Enter(Time now, Output& out) {
    now_ = now;
    out_ = &out;
  }
  void Exit();  ///< After it.

  const ConversationOptions options_;
  Outside& outside_;
  Tally tally_;
  std::string user_, vhost_;
  std::uint16_t heartbeat_s_ = 0;
  bool open_ = false, finished_ = false;
  std::size_t memory_bytes_ = 0;
  Time client_heard_{};  ///< When the client last sent something.

 private:
  /// A frame with the bytes that it came in.
  struct Seen {
    amqp::Frame frame;
    std::string_view whole;
    MethodId method = 0;  ///< 0: no method frame.

    std::string_view arguments() const { return frame.payload.substr(sizeof(MethodId)); }
  };
  enum class Side : std::uint8_t { kClient, kBroker };

  // conversation.cc
  std::optional<Seen> NextFrame(std::string_view bytes, Side from, bool& broken) const;
  std::size_t TakeHeader(std::string_view bytes);
  void NoteFatal(const Seen& seen);
  void OnClientConnection(const Seen& seen);
  void OnBrokerConnection(const Seen& seen);
  void OnConnectionClose();
  void OnStartOk(const Seen& seen);
  void OnTune(const Seen& seen);
  bool OnTuneOk(const Seen& seen);
  std::uint32_t LargestFrame() const;
  void Pass(const Seen& seen, Side from);
  void PassToQueue(Channel& channel, const Seen& seen, std::string_view queue);
  void Swallow(Side from);
  void InsertToBroker(Channel& channel, std::string_view frames);
  void InsertToClient(Channel& channel, std::string_view frames);
  void CloseIfTooLarge();
  void CloseConnection(std::uint16_t code, std::string text, MethodId cause);
  void RefuseChannel(Channel& channel, std::uint16_t code, std::string text, MethodId cause);
  void Reserve(std::size_t bytes) { memory_bytes_ += bytes; }
  void Release(std::size_t bytes) { memory_bytes_ -= std::min(bytes, memory_bytes_); }
  Channel* Find(std::uint16_t number);
  void Erase(Channel& channel);
  void Count(Rewrite rewrite) { ++tally_.rewrites[static_cast<std::size_t>(rewrite)]; }

  // client_frames.cc
  void OnClientFrame(const Seen& seen);
  void OnClientMethod(Channel& channel, const Seen& seen);
  void OnOpenChannel(const Seen& seen);
  void OnRefusedChannel(Channel& channel, const Seen& seen);
  bool MustWait(const Seen& seen);
  std::optional<Time> BeatDue() const;
  /// The stream that `name` means on this channel; null: none.
  const SeenStream* Resolve(const Channel& channel, std::string_view name, std::string& spelled);
  void OnDeclare(Channel& channel, const Seen& seen);
  void OnQueueMethod(Channel& channel, const Seen& seen, Rewrite rewrite, std::string_view verb);
  void OnPurge(Channel& channel, const Seen& seen);
  void OnGet(Channel& channel, const Seen& seen);
  void OnConsume(Channel& channel, const Seen& seen);
  void OnCancel(Channel& channel, const Seen& seen);
  void OnQos(Channel& channel, const Seen& seen);
  void OnSettlement(Channel& channel, const Seen& seen);
  void OnCommit(Channel& channel);
  void OnRecover(Channel& channel);
  void Settle(Channel& channel, const Settlement& settlement);
  Unsettled::iterator Settle(Channel& channel, Unsettled::iterator delivery, std::set<ConsumerId>& changed);
  void AdvanceAll(const std::set<ConsumerId>& consumers);
  void Refuse(Channel& channel, const SeenStream& stream, std::string_view name, std::string_view verb, MethodId cause);

  // broker_frames.cc
  void OnBrokerFrame(const Seen& seen);
  void OnBrokerMethod(Channel& channel, const Seen& seen);
  void OnBrokerContent(Channel& channel, const Seen& seen);
  void OnDeliver(Channel& channel, const Seen& seen);
  void OnConsumeOk(Channel& channel, const Seen& seen);
  void OnCancelOk(Channel& channel, const Seen& seen);
  void OnCancelNotice(Channel& channel, const Seen& seen);
  void OnReply(Channel& channel, const Seen& seen, Expected::Reply reply);
  void OnChannelClosed(Channel& channel, const Seen& seen);
  void NoteMissing(const Channel& channel, const std::string& text);
  void OnRefusedByUs(Channel& channel, const Seen& seen);
  std::string Renamed(const Channel& channel, std::string text);

  // consuming.cc
  StreamConsumer* Find(ConsumerId id);
  void Advance(StreamConsumer& consumer);
  void Open(Channel& channel, StreamConsumer& consumer, const std::vector<Subscriptions::Open>& opens);
  void Close(Channel& channel, StreamConsumer& consumer, const std::vector<Subscriptions::Number>& numbers);
  void SetBrokerPrefetch(Channel& channel, std::uint16_t prefetch, std::string& frames);
  void Answer(Channel& channel, StreamConsumer& consumer);
  void FinishIfIdle(Channel& channel, StreamConsumer& consumer);
  void Remove(StreamConsumer& consumer);
  void Leave(StreamConsumer& consumer);
  void LeaveAll(Channel& channel);
  void StopConsuming(std::uint16_t channel);
  void Account(StreamConsumer& consumer);
  static std::string UpstreamTag(const StreamConsumer& consumer, Subscriptions::Number number);

  // operations.cc
  void StartGet(Channel& channel, const SeenStream& stream, std::string name, bool no_ack);
  void StartSum(Channel& channel, Operation::Kind kind, const SeenStream& stream, std::string name, bool no_wait);
  void StartCheck(Channel& channel, StreamConsumer& consumer, const std::vector<std::string>& queues);
  void OnChecked(Channel& channel, const Operation& check);
  void OnGetReply(Channel& channel, const Seen& seen, std::shared_ptr<Operation> operation);
  void OnSumReply(Channel& channel, const Seen& seen, Operation& operation);
  void Expect(Channel& channel, Expected expected);
  void AfterReplies(Channel& channel, std::string frames);

  Time now_{};
  Output* out_ = nullptr;
  bool header_taken_ = false;
  bool client_raw_ = false, broker_raw_ = false;  ///< No AMQP any more: bytes pass as they are.
  bool client_fatal_ = false;                     ///< It has sent what a broker drops it for without a word.
  bool closing_ = false;                          ///< connection.close was said to the client by the gateway.
  bool close_seen_ = false;                       ///< connection.close of either side has passed.
  bool broker_lost_ = false;
  std::optional<Time> close_by_;
  bool wants_cancel_notice_ = false;
  std::uint32_t client_frame_max_ = 0, broker_frame_max_ = 0;  ///< 0: not agreed yet.
  Time broker_beat_{}, client_beat_{};                         ///< When a heartbeat of ours was last said to each.
  Time client_taken_{};                                        ///< When frames of the client were last taken.
  std::unordered_map<std::uint16_t, Channel> channels_;
  std::map<ConsumerId, StreamConsumer> consumers_;
  std::shared_ptr<const StreamMap> streams_;  ///< For the length of a call.
  ConsumerId last_consumer_ = 0;
  ConsumerId awaited_ = 0;       ///< Its consume-ok or cancel-ok comes before the answers to what is said after it.
  std::uint16_t getting_ = 0;    ///< The channel on which a get of a stream goes on; 0: none.
  std::uint16_t reopening_ = 0;  ///< The refused channel that the client opens again, before the broker's close-ok.
};

}  // namespace warren::gateway
