// Inbox, coordinators and the choice of a source.
#include "proxy/worker/session.h"

#include <utility>

#include "proxy/worker/assigned_shards.h"
#include "proxy/worker/looked_up_shards.h"
#include "proxy/worker/probed_shards.h"
#include "shardmgr/program/logging.h"

namespace warren::worker {
namespace {

using program::Log;
using program::LogLevel;
using Clock = std::chrono::steady_clock;

/// Each refusal is a line in the broker's log.
constexpr std::chrono::seconds kInboxAgain{30};
/// An inbox that is lost sooner than this after it was opened is not opened again at once.
constexpr std::chrono::seconds kShortLife{1};

std::string_view How(SourceKind source) {
  switch (source) {
    case SourceKind::kCoordinator: return "as a coordinator assigned";
    case SourceKind::kManagement: return "by the management API, since no coordinator assigns";
    case SourceKind::kProbe: return "by probing its node, since no coordinator assigns";
  }
  return "";
}

}  // namespace

Session::Session(SessionPlace place, std::shared_ptr<amqp::Connection> connection, bool accepting)
    : place_(std::move(place)), accepting_(accepting), standpoint_(std::make_shared<Standpoint>()) {
  standpoint_->connection = std::move(connection);
  standpoint_->self.instance = place_.instance;
}

void Session::Start() {
  OpenInbox();
  standpoint_->inbox = inbox_->name();
  standpoint_->holdings =
      std::make_shared<Holdings>(standpoint_->connection, inbox_->name(), place_.options.concurrency, place_.runner,
                                 place_.metrics, [weak = weak_from_this()](const Loss& loss, const Error& error) {
                                   if (const auto self = weak.lock()) self->OnLoss(loss, error);
                                 });
  place_.runner.SetClaims(true);
  if (!place_.options.local_node.empty()) SetNode(place_.options.local_node);
  place_.say(false, accepting_ ? "connected; asks what to consume" : "not accepting requests");
}

void Session::OpenInbox() {
  const auto weak = weak_from_this();
  inbox_opened_ = Clock::now();
  coordinators_ = nullptr;
  Inbox::Hooks hooks;
  hooks.on_cancel = [weak](std::string_view correlation_id, std::string_view attempt) {
    if (const auto self = weak.lock()) self->place_.runner.Cancel(correlation_id, attempt);
  };
  hooks.on_grant = [weak](std::string_view correlation_id, std::string_view attempt) {
    if (const auto self = weak.lock()) self->place_.runner.Grant(correlation_id, attempt);
  };
  hooks.on_assignment = [weak](std::string_view body) {
    const auto self = weak.lock();
    if (self && self->coordinators_) self->coordinators_->Receive(body);
  };
  hooks.on_lost = [weak] {
    if (const auto self = weak.lock()) self->OnInboxLost();
  };
  inbox_ = Inbox::Open(
      standpoint_->connection, std::move(hooks),
      [weak](const Result<std::string>& queue) {
        if (const auto self = weak.lock()) self->OnInbox(queue);
      },
      inbox_ ? inbox_->name() : nullptr);
}

void Session::OnInbox(const Result<std::string>& queue) {
  if (queue) {
    inbox_again_ = {};
    place_.runner.SetClaims(true);
    if (accepting_) AskCoordinators();
    return;
  }
  if (!standpoint_->connection->is_open()) return;  // It is about to be replaced, and everything with it.
  const bool known = inbox_again_ != Clock::time_point{};
  inbox_again_ = Clock::now() + kInboxAgain;
  place_.runner.SetClaims(false);
  const LogLevel level = known ? LogLevel::kDebug : LogLevel::kWarning;
  if (standpoint_->self.node.empty()) {
    Log(level, "cannot declare a queue to find out the node of the connection", queue.error());
    return place_.say(false,
                      "cannot declare a queue to find out the node of the connection: " + queue.error().ToString());
  }
  Log(level,
      "cannot declare an inbox: no coordinator can say what to consume, clients that go away stop no work here, and "
      "whether a request was run before is known from the broker's flag alone",
      queue.error());
  if (accepting_) FallBack();
}

void Session::OnInboxLost() {
  coordinators_ = nullptr;
  if (Clock::now() - inbox_opened_ >= kShortLife) OpenInbox();
}

void Session::AskCoordinators() {
  const auto weak = weak_from_this();
  control::AssignmentHooks hooks;
  hooks.holds = [weak] {
    const auto self = weak.lock();
    return self ? self->standpoint_->holdings->held() : std::vector<std::string>();
  };
  hooks.on_assignment = [weak](const Assignment& assignment) {
    if (const auto self = weak.lock()) self->OnAssignment(assignment);
  };
  hooks.on_silent = [weak] {
    const auto self = weak.lock();
    if (!self) return;
    self->silent_ = true;
    self->FallBack();
  };
  coordinators_ =
      control::AssignmentClient::Start(place_.executor, standpoint_->connection, *inbox_->name(),
                                       {place_.options.stream, place_.instance, "worker"}, std::move(hooks));
}

void Session::OnAssignment(const Assignment& assignment) {
  silent_ = false;
  if (!assignment.node.empty()) SetNode(assignment.node);
  Wanted wanted = WantedOf(assignment, place_.options.stream);
  if (wanted.shards.size() < assignment.shards.size()) {
    Log(LogLevel::kDebug, "assigned queues that are no shards of the stream, or the same twice; left them out",
        {{"left_out", assignment.shards.size() - wanted.shards.size()}});
  }
  Follow(std::make_shared<AssignedShards>(std::move(wanted), HooksOf()));
}

void Session::FallBack() {
  if (source_ && source_->kind() != SourceKind::kCoordinator) return;
  if (place_.cluster != nullptr) return LookUp();
  if (!standpoint_->self.node.empty()) return Follow(Prober());
  // What was assigned last is still looked after: a shard of it that is lost is taken back.
  Show(std::nullopt);
  const Error error{ErrorCode::kUnavailable,
                    "no coordinator says what to consume; without one a worker needs the management API, or the name "
                    "of its local node",
                    "worker"};
  Log(LogLevel::kWarning, "waits for a coordinator", error);
  if (standpoint_->holdings->size() == 0) place_.say(false, error.ToString());
}

void Session::LookUp() {
  const auto weak = weak_from_this();
  SourceHooks hooks = HooksOf();
  hooks.on_wanted = [weak](const Wanted& wanted) {
    const auto self = weak.lock();
    if (!self) return;
    self->stand_in_ = nullptr;
    self->Announce(SourceKind::kManagement);
    self->Hold(wanted);
  };
  hooks.on_blind = [weak, say = std::move(hooks.on_blind)](std::string reason) {
    say(std::move(reason));
    if (const auto self = weak.lock()) self->StandIn();
  };
  Follow(std::make_shared<LookedUpShards>(*place_.cluster, place_.options.vhost, place_.options.stream, standpoint_,
                                          std::move(hooks)));
}

void Session::StandIn() {
  if (stand_in_ || place_.options.local_node.empty() || standpoint_->holdings->size() > 0) return;
  stand_in_ = Prober();
  Announce(SourceKind::kProbe);
  stand_in_->Look();
}

std::shared_ptr<ShardSource> Session::Prober() {
  return std::make_shared<ProbedShards>(place_.options.stream, place_.options.yield_every, standpoint_, HooksOf());
}

void Session::Follow(std::shared_ptr<ShardSource> source) {
  stand_in_ = nullptr;
  Announce(source->kind());
  source_ = std::move(source);
  source_->Look();
}

void Session::Announce(SourceKind source) {
  if (shown_ != source) {
    Log(LogLevel::kInfo, "consumes " + std::string(How(source)), {{"source", Name(source)}});
  }
  Show(source);
}

void Session::Show(std::optional<SourceKind> source) {
  shown_ = source;
  place_.metrics.SetSource(source);
}

SourceHooks Session::HooksOf() {
  const auto weak = weak_from_this();
  SourceHooks hooks;
  hooks.on_wanted = [weak](const Wanted& wanted) {
    if (const auto self = weak.lock()) self->Hold(wanted);
  };
  hooks.on_node = [weak](std::string node) {
    if (const auto self = weak.lock()) self->SetNode(std::move(node));
  };
  hooks.on_blind = [weak](std::string reason) {
    const auto self = weak.lock();
    if (self && self->standpoint_->holdings->size() == 0) self->place_.say(false, std::move(reason));
  };
  return hooks;
}

void Session::SetNode(std::string node) {
  Identity& self = standpoint_->self;
  if (self.node == node) return;
  self.node = std::move(node);
  place_.runner.SetOrigin(self.node, self.instance);
  Log(LogLevel::kInfo, "found the local node", {{"node", self.node}, {"worker", self.instance}});
}

void Session::Hold(const Wanted& wanted) {
  const Identity& self = standpoint_->self;
  standpoint_->holdings->Hold(self, wanted);
  const std::string how = shown_ ? ", " + std::string(How(*shown_)) : "";
  const std::size_t held = standpoint_->holdings->size();
  if (held > 0) {
    place_.say(true, "consuming " + std::to_string(held) + " shards from " + self.node + how);
  } else if (wanted.resting > 0) {
    place_.say(true, "watching " + std::to_string(wanted.resting) + " idle shards from " + self.node + how);
  } else {
    place_.say(false, "no shard of " + place_.options.stream + " to consume from " + self.node + how);
  }
}

void Session::OnLoss(const Loss& loss, const Error& error) {
  if (loss.consumed && source_) source_->Hurry();
  if (loss.consumed && stand_in_) stand_in_->Hurry();
  if (!loss.consumed && loss.news && coordinators_) coordinators_->Hurry();
  if (standpoint_->holdings->size() == 0) place_.say(false, error.ToString());
}

void Session::Refresh() {
  standpoint_->holdings->Sweep();
  const bool needed = standpoint_->self.node.empty() && place_.cluster != nullptr;
  if (!inbox_->is_open() && (needed || Clock::now() >= inbox_again_)) OpenInbox();
  if (accepting_ && source_) source_->Look();
  if (accepting_ && stand_in_) stand_in_->Look();
}

// A worker that takes no more work says so before it cancels anything, so that others can take over.
void Session::SetAccepting(bool accepting) {
  accepting_ = accepting;
  if (accepting) {
    if (!inbox_->name()->empty()) {
      AskCoordinators();
      if (silent_) FallBack();  // There was none a moment ago: nothing waits for an answer.
      return;
    }
    if (inbox_again_ != Clock::time_point{}) FallBack();
    return;
  }
  if (coordinators_) std::exchange(coordinators_, nullptr)->SayBye();
  source_ = nullptr;
  stand_in_ = nullptr;
  Show(std::nullopt);
  standpoint_->holdings->ReleaseAll();
  place_.say(false, "not accepting requests");
}

bool Session::idle() const { return standpoint_->connection->unsent_bytes() == 0 && standpoint_->holdings->idle(); }

}  // namespace warren::worker
