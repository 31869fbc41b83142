// The course of a session: from the client's first bytes to the end of both connections; see the header.
#include "proxy/gateway/session.h"

#include <algorithm>
#include <utility>

#include "shardmgr/program/logging.h"

namespace warren::gateway {

using program::Log;
using program::LogLevel;

namespace {

Time Now() { return std::chrono::steady_clock::now(); }

}  // namespace

Session::Session(Peer::Socket socket, std::string client_address, SessionHost& host)
    : host_(host), client_address_(std::move(client_address)), timer_(socket.get_executor()) {
  ends_[kClient].peer.emplace(std::move(socket));
}

Session::~Session() = default;

void Session::Start() {
  Add(host_.stats.connections, 1);
  Add(host_.stats.shaking, 1);
  handshake_end_ = begin_ + host_.options.handshake_timeout;
  Arm();
  Read(kClient);
}

void Session::Connect() {
  state_ = State::kConnecting;
  connector_ = std::make_shared<Connector>(
      timer_.get_executor(), host_.upstreams,
      host_.upstreams.InOrder([this](std::size_t node) { return host_.desk.NodeUp(node); }),
      [weak = weak_from_this(), &upstreams = host_.upstreams](Result<Connector::Connected> result) {
        if (const auto self = weak.lock()) return self->OnConnect(std::move(result));
        if (result) upstreams.Give(result->node);
      });
  connector_->Start();
}

void Session::OnConnect(Result<Connector::Connected> result) {
  connector_.reset();
  host_.NoteConnect(result ? nullptr : &result.error());
  if (!result) return Finish(CloseReason::kNoNode);
  node_ = result->node;
  ends_[kBroker].peer.emplace(std::move(result->peer));
  conversation_ = std::make_unique<Conversation>(host_.options.conversation, *this);
  state_ = State::kRunning;
  Read(kBroker);
  if (state_ != State::kRunning) return;
  FeedClient();
  Settle();
}

void Session::Join(ConsumerId consumer, const ConsumerRequest& request) {
  members_[consumer] =
      host_.desk.Join({*node_, request.vhost, request.exchange, request.exclusive}, timer_.get_executor(),
                      [weak = weak_from_this(), consumer](const std::vector<std::string>& queues, bool known) {
                        if (const auto self = weak.lock()) self->OnShards(consumer, queues, known);
                      });
}

void Session::Leave(ConsumerId consumer) {
  const auto found = members_.find(consumer);
  if (found == members_.end()) return;
  host_.desk.Leave(found->second);
  members_.erase(found);
}

void Session::Lost(ConsumerId consumer, const std::string& queue) {
  const auto found = members_.find(consumer);
  if (found != members_.end()) host_.desk.Lost(found->second, queue);
}

void Session::OnShards(ConsumerId consumer, const std::vector<std::string>& queues, bool known) {
  if (state_ != State::kRunning || !members_.contains(consumer)) return;
  conversation_->OnShards(consumer, queues, known, Now(), host_.out);
  Settle();
}

/// After everything that the Conversation was told.
void Session::Settle() {
  SendOut();
  while (client_stalled_ && !conversation_->stalled()) FeedClient();
  host_.stats.AddTally(conversation_->tally(), counted_);
  if (!open_ && conversation_->open()) OnOpen();
  if (conversation_->finished()) return Close(reason_);
  if (ends_[kClient].over && !client_stalled_) return Close(reason_);
  if (ends_[kClient].peer->failed()) return Close(CloseReason::kClient);
  Resume(kClient);
  Resume(kBroker);
  Arm();
}

void Session::OnOpen() {
  open_ = true;
  handshake_end_.reset();
  Add(host_.stats.shaking, static_cast<std::uint64_t>(-1));
  Log(LogLevel::kInfo, "client connected",
      {{"client", client_address_},
       {"user", conversation_->user()},
       {"vhost", conversation_->vhost()},
       {"node", NodeText()}});
}

std::string Session::NodeText() const {
  if (!node_) return {};
  const std::string name = host_.desk.NodeName(*node_);
  return name.empty() ? host_.upstreams.node(*node_).ToString() : name;
}

void Session::Shutdown() {
  if (state_ == State::kHeader || state_ == State::kConnecting) return Finish(CloseReason::kShutdown);
  if (state_ != State::kRunning) return;
  reason_ = CloseReason::kShutdown;
  conversation_->Shutdown("the gateway shuts down", Now(), host_.out);
  Settle();
}

void Session::Abort() { Finish(CloseReason::kShutdown); }

void Session::Close(CloseReason reason) {
  if (state_ != State::kRunning) return;
  state_ = State::kClosing;
  reason_ = reason;
  BeginClose();
  handshake_end_.reset();
  LeaveAll();
  Arm();
  Linger();
  if (state_ != State::kClosing) return;
  Resume(kClient);
  Resume(kBroker);
}

void Session::BeginClose() {
  if (close_end_) return;
  close_begin_ = Now();
  close_end_ = close_begin_ + kCloseTime;
  close_sent_ = 0;
  for (const End& end : ends_) close_sent_ += end.peer->sent();
}

/// Closing takes longer while what is left is being written.
bool Session::MovesStill() {
  std::uint64_t sent = 0;
  for (const End& end : ends_) sent += end.peer->sent();
  const Time now = Now();
  if (std::exchange(close_sent_, sent) == sent || now - close_begin_ >= kLongestClose) return false;
  close_end_ = now + kCloseTime;
  return true;
}

/// Closing: goes on as far as it can now.
void Session::Linger() {
  bool all = true;
  for (End& end : ends_) {
    const bool nobody_reads = &end == &ends_[kBroker] && end.over;
    if (!end.shut && (end.peer->pending() == 0 || end.peer->failed() || nobody_reads)) {
      end.shut = true;
      end.peer->ShutSend();
    }
    all = all && end.over && end.shut;
  }
  if (all) Finish(reason_);
}

void Session::LeaveAll() {
  for (const auto& [consumer, member] : members_) host_.desk.Leave(member);
  members_.clear();
}

void Session::Finish(CloseReason reason) {
  if (state_ == State::kEnded) return;
  state_ = State::kEnded;
  reason_ = reason;
  const auto self = shared_from_this();
  LeaveAll();
  if (connector_) connector_->Cancel();
  connector_.reset();
  timer_.cancel();
  if (conversation_) host_.stats.AddTally(conversation_->tally(), counted_);
  Tally nothing_open = counted_;
  nothing_open.channels = nothing_open.consumers = 0;
  host_.stats.AddTally(nothing_open, counted_);
  CountSent(ends_[kClient], host_.stats.to_client);
  CountSent(ends_[kBroker], host_.stats.to_broker);
  Add(host_.stats.closes[static_cast<std::size_t>(reason_)], 1);
  if (!open_) {
    Add(host_.stats.shaking, static_cast<std::uint64_t>(-1));
    Add(host_.stats.handshake_failures, 1);
  }
  LogEnd();
  for (End& end : ends_) {
    if (end.peer) end.peer->Close();
    end.unread = std::string();
  }
  if (node_) host_.upstreams.Give(*node_);
  host_.Gone(*this);
}

void Session::LogEnd() const {
  const auto took_ms = std::chrono::duration_cast<std::chrono::milliseconds>(Now() - begin_).count();
  Log(LogLevel::kInfo, open_ ? "client's connection ended" : "client's connection ended before it was open",
      {{"client", client_address_},
       {"user", conversation_ ? conversation_->user() : std::string()},
       {"vhost", conversation_ ? conversation_->vhost() : std::string()},
       {"node", NodeText()},
       {"reason", NameOf(reason_)},
       {"took_ms", took_ms}});
}

/// While the client takes nothing the broker is not read from, and its word that the client's heartbeats are missing
/// would never be heard. So that is noticed here, or a client that hangs would keep its shards.
std::optional<Time> Session::ClientSilentAt() const {
  if (state_ != State::kRunning || !ends_[kBroker].paused || ends_[kClient].paused) return std::nullopt;
  const auto heartbeat = conversation_->heartbeat();
  if (heartbeat.count() == 0) return std::nullopt;
  return heard_client_ + 3 * heartbeat;
}

/// What the client says while it has to wait stays in its socket; that there is more of it shows that the client lives.
void Session::NoteWaiting(Time now) {
  if (!client_stalled_ || ends_[kClient].over) return;
  boost::system::error_code ignored;
  const std::size_t waits = ends_[kClient].peer->socket().available(ignored);
  if (std::exchange(client_waits_, waits) != waits) conversation_->HeardClient(now);
}

/// One timer for everything. It is set anew only for something earlier: when it goes off too early it is set again.
void Session::Arm() {
  std::optional<Time> due;
  const auto consider = [&due](const std::optional<Time>& time) {
    if (time && (!due || *time < *due)) due = time;
  };
  consider(handshake_end_);
  consider(close_end_);
  if (state_ == State::kRunning) consider(conversation_->next());
  consider(ClientSilentAt());
  if (!due || (armed_ && *armed_ <= *due)) return;
  armed_ = due;
  timer_.expires_at(*due);
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    if (error) return;
    if (const auto self = weak.lock()) self->OnTimer();
  });
}

void Session::OnTimer() {
  if (state_ == State::kEnded) return;
  armed_.reset();
  const Time now = Now();
  if (handshake_end_ && now >= *handshake_end_) return Finish(CloseReason::kHandshakeTimeout);
  if (close_end_ && now >= *close_end_ && !MovesStill()) return Finish(reason_);
  if (const auto silent = ClientSilentAt(); silent && now >= *silent) return Finish(CloseReason::kClient);
  if (state_ == State::kRunning) {
    if (const auto next = conversation_->next(); next && now >= *next) {
      NoteWaiting(now);
      conversation_->Tick(now, host_.out);
      return Settle();
    }
  }
  Arm();
}

}  // namespace warren::gateway
