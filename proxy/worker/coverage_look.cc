// What a worker asks about the cluster: the node of its connection, the shards of the stream and who
// consumes them. What it does without the management API is in coverage_probe.cc.
#include <algorithm>

#include "proxy/worker/coverage.h"
#include "shardmgr/program/logging.h"

namespace warren::worker {

using program::Log;
using program::LogLevel;

namespace {

/// Each refusal is a line in the broker's log.
constexpr std::chrono::seconds kInboxAgain{30};

}  // namespace

void Coverage::OpenInbox() {
  const auto weak = weak_from_this();
  const std::uint64_t epoch = epoch_;
  inbox_ = Inbox::Open(
      connection_,
      {[weak](std::string_view correlation_id, std::string_view attempt) {
         if (const auto self = weak.lock()) self->runner_.Cancel(correlation_id, attempt);
       },
       [weak](std::string_view correlation_id, std::string_view attempt) {
         if (const auto self = weak.lock()) self->runner_.Grant(correlation_id, attempt);
       }},
      [weak, epoch](const Result<std::string>& queue) {
        const auto self = weak.lock();
        if (self && epoch == self->epoch_) self->OnInbox(queue);
      },
      inbox_ ? inbox_->name() : nullptr);
}

void Coverage::OnInbox(const Result<std::string>& queue) {
  const bool needed = self_.node.empty();
  if (queue) {
    inbox_again_ = {};
    runner_.SetClaims(true);
    if (needed) AskForNode();
    return;
  }
  if (!connection_->is_open()) return;  // It is about to be replaced, and everything with it.
  const bool known = inbox_again_ != std::chrono::steady_clock::time_point{};
  inbox_again_ = std::chrono::steady_clock::now() + kInboxAgain;
  runner_.SetClaims(false);
  if (!needed) {
    return Log(
        known ? LogLevel::kDebug : LogLevel::kWarning,
        "cannot declare an inbox: clients that go away stop no work here, and whether a request was run before is "
        "known from the broker's flag alone",
        queue.error());
  }
  Log(LogLevel::kWarning, "cannot declare a queue to find out the node of the connection", queue.error());
  Say(false, "cannot declare a queue to find out the node of the connection: " + queue.error().ToString());
}

// A queue of this connection alone lives on the node of the connection, also behind a load balancer.
void Coverage::FindNode() {
  if (!inbox_->name()->empty()) return AskForNode();
  if (!inbox_->is_open()) OpenInbox();
}

// The next refresh asks again when there is no answer.
void Coverage::AskForNode() {
  if (asking_epoch_ == epoch_) return;
  asking_epoch_ = epoch_;
  cluster_->FindNode(options_.vhost, *inbox_->name(),
                     [weak = weak_from_this(), epoch = epoch_](Result<std::string> node) {
                       const auto self = weak.lock();
                       if (!self || epoch != self->epoch_) return;
                       self->asking_epoch_ = 0;
                       if (node) return self->OnNode(std::move(*node));
                       Log(LogLevel::kWarning, "cannot find out the node of the connection", node.error());
                       self->Say(false, "cannot find out the node of the connection: " + node.error().ToString());
                     });
}

void Coverage::OnNode(std::string node) {
  self_.node = std::move(node);
  runner_.SetOrigin(self_.node, self_.instance);
  Log(LogLevel::kInfo, "found the local node", {{"node", self_.node}, {"worker", self_.instance}});
  Refresh();
}

void Coverage::ScheduleRefresh() {
  // A tenth more or less, so that workers which started together do not look together.
  const auto mean = std::max<std::int64_t>(options_.refresh.count(), 50);
  std::uniform_int_distribution<std::int64_t> pause(mean - mean / 10, mean + mean / 10);
  timer_.expires_after(std::chrono::milliseconds(pause(random_)));
  timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (error || !self || self->stopped_) return;
    self->ScheduleRefresh();
    if (!self->connection_) return;
    if (self->self_.node.empty()) {
      self->FindNode();
    } else {
      const bool due = std::chrono::steady_clock::now() >= self->inbox_again_;
      if (due && !self->inbox_->is_open()) self->OpenInbox();
      self->Refresh();
    }
  });
}

void Coverage::Refresh() {
  std::erase_if(leaving_, [](const auto& consumer) { return consumer->finished(); });
  if (!accepting_ || !connection_) return;
  if (!cluster_) return LookWithoutApi();
  if (asking_epoch_ == epoch_) return;  // An API that hangs must not gather a queue of questions.
  asking_epoch_ = epoch_;
  cluster_->Look(options_.vhost, options_.stream, [weak = weak_from_this(), epoch = epoch_](Result<StreamView> view) {
    const auto self = weak.lock();
    if (!self || epoch != self->epoch_) return;
    self->asking_epoch_ = 0;
    self->OnView(std::move(view));
  });
}

void Coverage::OnView(Result<StreamView> view) {
  if (!accepting_) return;
  if (!view) {
    // What is held stays held: the API is for finding shards, not for serving them.
    const std::string text = view.error().ToString();
    if (text != last_error_) Log(LogLevel::kWarning, "cannot look at the stream", view.error());
    last_error_ = text;
    if (consumers_.empty()) Say(false, "cannot look at the stream: " + text);
    return;
  }
  last_error_.clear();
  Hold(ShardsToHold(self_, options_.stream, view->shards, view->consumers, held()));
}

}  // namespace warren::worker
