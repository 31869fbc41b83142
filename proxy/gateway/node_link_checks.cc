// Passive declares, in turn.
#include "proxy/gateway/node_link_checks.h"

#include <algorithm>
#include <boost/asio/post.hpp>

namespace warren::gateway {

void ShardChecks::SetConnection(std::shared_ptr<amqp::Connection> connection) {
  connection_ = std::move(connection);
  entries_.clear();
  next_.clear();
  later_.clear();
  asking_ = 0;
  timer_.cancel();
}

Presence ShardChecks::Of(const std::string& queue) {
  if (!connection_) return Presence::kUnknown;
  Entry& entry = entries_[queue];
  if (entry.presence == Presence::kThere || entry.waiting || Clock::now() < entry.not_before) return entry.presence;
  entry.waiting = true;
  next_.push_back(queue);
  const Presence presence = entry.presence;
  Advance();
  return presence;
}

void ShardChecks::Lost(const std::string& queue) {
  const auto found = entries_.find(queue);
  if (found == entries_.end() || found->second.presence != Presence::kThere) return;
  Fail(queue, found->second);
}

void ShardChecks::Doubt(const std::function<bool(const std::string& queue)>& doubted) {
  std::erase_if(entries_,
                [&](const auto& entry) { return entry.second.presence == Presence::kThere && doubted(entry.first); });
}

void ShardChecks::Keep(const std::function<bool(const std::string& queue)>& keep) {
  std::erase_if(entries_, [&](const auto& entry) { return !entry.second.waiting && !keep(entry.first); });
}

void ShardChecks::Advance() {
  while (asking_ < kAtOnce && !next_.empty()) {
    const std::string queue = std::move(next_.front());
    next_.pop_front();
    Begin(queue, entries_[queue]);
  }
}

void ShardChecks::Begin(const std::string& queue, Entry& entry) {
  ++asking_;
  entry.channel = connection_->OpenChannel();
  entry.deadline = std::make_unique<boost::asio::steady_timer>(executor_, kLongestAnswer);
  const auto end = [weak = weak_from_this(), queue, channel = entry.channel.get()](bool there) {
    if (const auto self = weak.lock()) self->End(queue, channel, there);
  };
  entry.channel->DeclareQueue({.name = queue, .passive = true},
                              [end](const Result<amqp::QueueDeclared>& declared) { end(declared.has_value()); });
  entry.deadline->async_wait([end](boost::system::error_code error) {
    if (!error) end(false);
  });
}

void ShardChecks::End(const std::string& queue, const amqp::Channel* channel, bool there) {
  const auto found = entries_.find(queue);
  if (found == entries_.end() || found->second.channel.get() != channel) return;  // Of an earlier connection.
  Entry& entry = found->second;
  entry.channel->Close();
  boost::asio::post(executor_, [gone = std::move(entry.channel)] {});  // Not while it is calling.
  entry.channel = nullptr;
  entry.deadline = nullptr;
  entry.waiting = false;
  --asking_;
  if (there) {
    entry.presence = Presence::kThere;
    entry.since = Clock::now();
  } else {
    Fail(queue, entry);
  }
  Advance();
  on_change_(queue);
}

// One that was there for a while begins with a short pause again.
void ShardChecks::Fail(const std::string& queue, Entry& entry) {
  const auto now = Clock::now();
  if (entry.presence == Presence::kThere && now - entry.since > 2 * kLongestPause) entry.pause = {};
  entry.pause = std::clamp(2 * entry.pause, kFirstPause, kLongestPause);
  entry.presence = Presence::kMissing;
  entry.not_before = now + entry.pause;
  later_.emplace(entry.not_before, queue);
  Arm();
}

void ShardChecks::Arm() {
  if (later_.empty()) return;
  timer_.expires_at(later_.begin()->first);
  timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (!self || error) return;
    const auto now = Clock::now();
    while (!self->later_.empty() && self->later_.begin()->first <= now) {
      const std::string queue = std::move(self->later_.begin()->second);
      self->later_.erase(self->later_.begin());
      self->on_change_(queue);
    }
    self->Arm();
  });
}

}  // namespace warren::gateway
