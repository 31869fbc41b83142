// The bytes of a session: reading into the thread's scratch, writing, waiting; see the header.
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <cstring>

#include "proxy/gateway/session.h"

namespace warren::gateway {
namespace {

constexpr int kRounds = 4;               ///< Reads in a row before others have their turn.
constexpr std::size_t kHeaderBytes = 8;  ///< Of AMQP's protocol header.

}  // namespace

void Session::Keep(End& end, std::string_view bytes) {
  if (bytes.empty()) {
    end.unread = std::string();  // Gives its memory back.
  } else {
    end.unread.assign(bytes);
  }
}

bool Session::MayRead(Side side) const {
  if (ends_[side].over) return false;
  if (state_ == State::kHeader) return side == kClient;
  if (state_ == State::kClosing) return true;
  if (state_ != State::kRunning) return false;
  if (side == kClient) {
    const End& broker = ends_[kBroker];
    return !client_stalled_ && (broker.over || broker.peer->pending() < kMaxPendingBytes);
  }
  return ends_[kClient].peer->pending() < kMaxPendingBytes;
}

void Session::Read(Side side) {
  End& end = ends_[side];
  Count& count = side == kClient ? host_.stats.from_client : host_.stats.from_broker;
  for (int round = 0; round < kRounds; ++round) {
    if (!MayRead(side)) {
      end.paused = !end.over;
      return Arm();
    }
    const std::size_t held = end.unread.size();
    if (host_.scratch.size() < held + kReadBytes) host_.scratch.resize(held + kReadBytes);
    char* const scratch = host_.scratch.data();
    std::memcpy(scratch, end.unread.data(), held);
    const auto [got, error] = end.peer->Read(scratch + held, kReadBytes);
    if (got > 0) {
      Add(count, got);
      OnBytes(side, {scratch, held + got});
      if (state_ == State::kEnded) return;
    }
    if (error && error != boost::asio::error::would_block) return OnOver(side, error);
    if (got < kReadBytes) return WaitReadable(side);
  }
  boost::asio::post(timer_.get_executor(), [self = shared_from_this(), side] { self->Read(side); });
}

/// All that was read and not taken yet; it is in the scratch, and what is left of it is kept.
void Session::OnBytes(Side side, std::string_view bytes) {
  End& end = ends_[side];
  if (state_ == State::kHeader) {
    Keep(end, bytes);
    if (bytes.size() >= kHeaderBytes) Connect();
    return;
  }
  if (state_ != State::kRunning) return;  // Closing: dropped.
  const Time now = std::chrono::steady_clock::now();
  std::size_t taken = 0;
  if (side == kBroker) {
    taken = conversation_->FromBroker(bytes, now, host_.out);
  } else {
    heard_client_ = now;
    client_waits_ = 0;
    taken = conversation_->FromClient(bytes, now, host_.out);
    client_stalled_ = conversation_->stalled();
  }
  Keep(end, bytes.substr(taken));
  if (end.unread.size() > host_.options.conversation.max_memory_bytes + kReadBytes) {
    SendOut();
    return Close(CloseReason::kFrameTooLong);
  }
  Settle();
}

/// What is kept of the client's, again.
void Session::FeedClient() {
  End& end = ends_[kClient];
  const std::size_t taken = conversation_->FromClient(end.unread, std::chrono::steady_clock::now(), host_.out);
  client_stalled_ = conversation_->stalled();
  taken == end.unread.size() ? Keep(end, {}) : static_cast<void>(end.unread.erase(0, taken));
  SendOut();
}

void Session::OnOver(Side side, const Peer::Error& error) {
  ends_[side].over = true;
  if (state_ == State::kHeader) return Finish(CloseReason::kClient);
  if (state_ == State::kClosing) return Linger();
  if (state_ != State::kRunning) return;
  if (side == kBroker) {
    const std::string why =
        "the connection to node " + NodeText() +
        (error == boost::asio::error::eof ? std::string(" was closed by it") : " broke: " + error.message());
    conversation_->OnBrokerLost(why, std::chrono::steady_clock::now(), host_.out);
    if (reason_ == CloseReason::kClosed) reason_ = CloseReason::kBroker;
    return Settle();
  }
  // What it sent before is the broker's, as far as that can be passed on now.
  if (client_stalled_) BeginClose();
  if (reason_ == CloseReason::kClosed) reason_ = CloseReason::kClient;
  Settle();
}

void Session::WaitReadable(Side side) {
  End& end = ends_[side];
  if (end.waits_readable || end.over || !end.peer->socket().is_open()) return;
  end.waits_readable = true;
  end.peer->WaitReadable([self = shared_from_this(), side](const Peer::Error& error) {
    self->ends_[side].waits_readable = false;
    if (!error && self->state_ != State::kEnded) self->Read(side);
  });
}

void Session::Resume(Side side) {
  End& end = ends_[side];
  if (!end.paused || !MayRead(side)) return;
  end.paused = false;
  if (side == kClient) heard_client_ = std::chrono::steady_clock::now();  // Its silence was ours.
  boost::asio::post(timer_.get_executor(), [self = shared_from_this(), side] { self->Read(side); });
}

void Session::WaitWritable(Side side) {
  End& end = ends_[side];
  if (end.waits_writable || end.peer->pending() == 0) return;
  end.waits_writable = true;
  end.peer->WaitWritable([self = shared_from_this(), side](const Peer::Error& error) {
    if (self->state_ == State::kEnded) return;
    End& now = self->ends_[side];
    now.waits_writable = false;
    if (error) return;
    now.peer->Flush();
    self->WaitWritable(side);
    if (self->state_ == State::kClosing) return self->Linger();
    self->Resume(side == kClient ? kBroker : kClient);
  });
}

void Session::CountSent(End& end, Count& count) {
  if (!end.peer || end.peer->sent() == end.counted_sent) return;
  Add(count, end.peer->sent() - end.counted_sent);
  end.counted_sent = end.peer->sent();
}

void Session::SendOut() {
  constexpr std::size_t kMostKept = 1024 * 1024;
  const auto send = [this](Side side, std::string& bytes, Count& count) {
    if (bytes.empty()) return;
    End& end = ends_[side];
    end.peer->Send(bytes);
    bytes.clear();
    if (bytes.capacity() > kMostKept) bytes = std::string();
    CountSent(end, count);
    WaitWritable(side);
  };
  send(kClient, host_.out.to_client, host_.stats.to_client);
  send(kBroker, host_.out.to_broker, host_.stats.to_broker);
}

}  // namespace warren::gateway
