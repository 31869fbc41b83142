// Session: one client: its socket, the socket to its broker node, and the Conversation between them. It moves bytes,
// keeps time, and ends the one connection when the other has ended; what frames mean is the Conversation's.
//
//   header      the client's first 8 bytes are awaited: who sends none costs no connection to a broker
//   connecting  a node is sought (Connector)
//   running     bytes go both ways. Who has kMaxPendingBytes unread is waited for: nothing more is read for it
//   closing     what is left is written, what comes is dropped, for kCloseTime after the last that moved: were a socket
//               closed with bytes unread, the other end could lose what was sent to it last
//
// Threads: all on the I/O thread of its lane; nothing blocks it. The desk answers by posting there.
#pragma once

#include <array>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/gateway/connector.h"
#include "proxy/gateway/conversation.h"
#include "proxy/gateway/desk.h"
#include "proxy/gateway/gateway_metrics.h"
#include "proxy/gateway/options.h"
#include "proxy/gateway/peer.h"
#include "shardmgr/program/failure_log.h"

namespace warren::gateway {

class Session;

/// What the sessions of one I/O thread share.
struct SessionHost {
  SessionHost(const GatewayOptions& all_options, Desk& the_desk, Upstreams& nodes, LaneStats& own_stats)
      : options(all_options), desk(the_desk), upstreams(nodes), stats(own_stats) {}
  virtual ~SessionHost() = default;

  const GatewayOptions& options;
  Desk& desk;
  Upstreams& upstreams;
  LaneStats& stats;
  std::vector<char> scratch;  ///< Bytes just read, of whichever session reads.
  Output out;                 ///< What a Conversation just said.

  /// A connection attempt ended; `error` null: it worked. Logs what is news.
  virtual void NoteConnect(const Error* error) = 0;
  virtual void Gone(Session& session) = 0;
};

class Session final : public Outside, public std::enable_shared_from_this<Session> {
 public:
  static constexpr std::size_t kMaxPendingBytes = 256 * 1024;  ///< Unread by one side: the other is not read from.
  static constexpr std::size_t kReadBytes = 128 * 1024;        ///< Of one read.
  static constexpr std::chrono::seconds kCloseTime{2}, kLongestClose{30};

  Session(Peer::Socket socket, std::string client_address, SessionHost& host);
  ~Session() override;

  void Start();
  /// The gateway ends: says so to both, then closes.
  void Shutdown();
  void Abort();  ///< Ends now.

  // Of Outside.
  std::shared_ptr<const StreamMap> streams() const override { return host_.desk.streams(); }
  std::string node() const override { return host_.desk.NodeName(*node_); }
  void Join(ConsumerId consumer, const ConsumerRequest& request) override;
  void Leave(ConsumerId consumer) override;
  void Lost(ConsumerId consumer, const std::string& queue) override;

 private:
  enum Side : std::size_t { kClient, kBroker };
  enum class State { kHeader, kConnecting, kRunning, kClosing, kEnded };
  /// One of the two ends.
  struct End {
    std::optional<Peer> peer;
    std::string unread;  ///< Of what was read: the beginning of a frame, or all that has to wait.
    bool waits_readable = false, waits_writable = false;
    bool paused = false;  ///< Not read from until MayRead.
    bool over = false;    ///< Nothing more will be read: it ended, or failed.
    bool shut = false;    ///< We said that we have no more.
    std::uint64_t counted_sent = 0;
  };

  // session.cc: the course of things
  void Connect();
  void OnConnect(Result<Connector::Connected> result);
  void OnShards(ConsumerId consumer, const std::vector<std::string>& queues, bool known);
  void Settle();
  void OnOpen();
  void Close(CloseReason reason);
  void Linger();
  std::optional<Time> ClientSilentAt() const;
  void NoteWaiting(Time now);
  void Finish(CloseReason reason);
  void Arm();
  void OnTimer();
  void BeginClose();
  bool MovesStill();
  void LeaveAll();
  void LogEnd() const;
  std::string NodeText() const;

  // session_io.cc: bytes
  void Read(Side side);
  void OnBytes(Side side, std::string_view bytes);
  void OnOver(Side side, const Peer::Error& error);
  void FeedClient();
  bool MayRead(Side side) const;
  void WaitReadable(Side side);
  void WaitWritable(Side side);
  void Resume(Side side);
  void SendOut();
  void CountSent(End& end, Count& count);
  static void Keep(End& end, std::string_view bytes);

  SessionHost& host_;
  const std::string client_address_;
  const Time begin_ = std::chrono::steady_clock::now();
  State state_ = State::kHeader;
  CloseReason reason_ = CloseReason::kClosed;
  std::array<End, 2> ends_;
  std::optional<std::size_t> node_;  ///< Of Upstreams; taken until Finish.
  std::shared_ptr<Connector> connector_;
  std::unique_ptr<Conversation> conversation_;
  std::map<ConsumerId, MemberId> members_;
  Tally counted_;
  Time heard_client_{};  ///< When it last sent something.
  boost::asio::steady_timer timer_;
  std::optional<Time> armed_, handshake_end_, close_end_;
  Time close_begin_{};
  std::uint64_t close_sent_ = 0;  ///< Bytes written when close_end_ was set.
  bool client_stalled_ = false;   ///< Bytes of the client's `unread` wait for Conversation::stalled().
  std::size_t client_waits_ = 0;  ///< Bytes of it that its socket had meanwhile.
  bool open_ = false;
};

}  // namespace warren::gateway
