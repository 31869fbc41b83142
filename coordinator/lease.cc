// See lease.h. One call, queue.declare, is all there is: it asks for the lease, keeps it, and proves it.
#include "coordinator/lease.h"

#include <algorithm>
#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <mutex>

#include "coordinator/node_link.h"

namespace warren::coordinator {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kRenewEvery{1'000};
constexpr milliseconds kRecent{2'000};  // What counts for a word of now.
constexpr milliseconds kTrust{2 * kLinkHeartbeat};
constexpr milliseconds kFresh{kLinkHeartbeat};                  // An answer to a call before that is none.
constexpr milliseconds kFirstPause{250}, kLongestPause{8'000};  // Between two calls that are refused.
constexpr milliseconds kAlonePause{60'000};                     // Somebody may have given the permission.

/// No permission on the queue, or in the vhost, or the vhost is not there: another try changes nothing.
bool IsRefusal(const Error& error) { return IsDenied(error) || error.code == ErrorCode::kNotFound; }

std::string WhyAlone(const Error& error) {
  return "queue warren.lease in vhost '/', by which several coordinators agree who leads, cannot be declared (" +
         error.ToString() + "); run no second coordinator, or give the user configure on ^warren\\.lease$ there";
}

constexpr const char* kNoLease =
    "vhost '/' has an ordinary queue warren.lease, so that no coordinator can lead; delete it: rabbitmqctl "
    "delete_queue warren.lease";

}  // namespace

std::string_view Name(Role role) {
  switch (role) {
    case Role::kSeeking: return "seeking";
    case Role::kLeader: return "leader";
    case Role::kFollower: return "follower";
    case Role::kAlone: return "alone";
  }
  return "unknown";
}

std::string LeaseStatus::ToString() const {
  switch (role) {
    case Role::kSeeking: return "does not lead: " + reason;
    case Role::kLeader: return "leads";
    case Role::kFollower: return "follows " + (leader.empty() ? std::string("another coordinator") : leader);
    case Role::kAlone: return "acts alone: " + reason;
  }
  return {};
}

class Lease::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(boost::asio::any_io_executor executor, LeaseOptions options, std::function<void(const LeaseStatus&)> on_change)
      : executor_(executor),
        options_(std::move(options)),
        on_change_(std::move(on_change)),
        timer_(executor),
        link_(executor, {options_.credentials, options_.tls_ca_file, "warren-coordinator lease", milliseconds(5'000)},
              {.on_up = [this](const std::shared_ptr<amqp::Connection>&) { Ask(); },
               .on_down = [this](const amqp::Endpoint& endpoint, const Error& error,
                                 bool was_up) { Down(error.Within(endpoint.ToString()), was_up); },
               .on_blocked = {}}) {}

  void SetEndpoints(std::vector<amqp::Endpoint> endpoints) {
    if (!released_) link_.SetEndpoints(std::move(endpoints));
  }

  void NoteObserved(std::optional<LeaseQueue> queue) {
    if (released_) return;
    seen_ = std::move(queue);
    if (std::exchange(blind_, false)) Ask();
    const Role role = status().role;
    if (role == Role::kAlone && HeldByOther()) return Follow();
    if (role != Role::kFollower && role != Role::kSeeking) return;
    if (!seen_) return NoteFree();
    // It is known to be held, so there is no need to ask.
    if (role == Role::kFollower && pause_ >= kLongestPause) AskLater(kLongestPause);
    if (held_by_other_) Follow();
  }

  void NoteFree() {
    seen_.reset();
    if (status().role == Role::kFollower || held_by_other_) Ask();
  }

  void NoteBlind(std::string reason) {
    blind_ = true;
    if (released_ || status().role != Role::kLeader) return;
    Down({ErrorCode::kUnavailable, std::move(reason), {}}, true);
    link_.Reconnect();
  }

  void ActAlone(std::string reason) {
    if (!released_ && !seen_) Become({Role::kAlone, {}, std::move(reason)});
  }

  void Release() {
    released_ = true;
    Become({Role::kSeeking, {}, "it is being stopped"});
    timer_.cancel();
    DropChannel();
    EndAttempt();
    link_.Stop();
  }

  LeaseStatus status() const {
    const std::lock_guard lock(mutex_);
    return status_;
  }

  std::uint64_t term() const {
    const std::lock_guard lock(mutex_);
    const bool trusted = status_.role == Role::kAlone || Clock::now() < proven_at_ + kTrust;
    return status_.acts() && trusted ? term_ : 0;
  }

  void Confirm(std::uint64_t term, bool fresh, std::function<void(bool)> done) {
    if (term == 0 || this->term() != term) return done(false);
    if (status().role == Role::kAlone || (!fresh && Clock::now() < proven_at_ + kRecent)) return done(true);
    if (!channel_ || !channel_->is_open()) return done(false);
    waiting_.emplace(++waiters_, Waiter{term, std::move(done)});
    Declare(waiters_);
  }

  const boost::asio::any_io_executor& executor() const { return executor_; }

 private:
  /// Who asked whether the lead of a term is held still.
  struct Waiter {
    std::uint64_t term = 0;
    std::function<void(bool)> done;
  };

  /// Sees to it that the lease is asked for, now and again.
  void Ask() {
    if (released_ || blind_) return;
    const auto connection = link_.connection();
    if (!connection) return;
    AskLater(status().role == Role::kLeader ? kRenewEvery : pause_);
    if (!channel_ || !channel_->is_open()) {
      DropChannel();
      EndAttempt();
      channel_ = connection->OpenChannel();
    } else if (unanswered_ > 0) {
      return;
    }
    Declare(0);
  }

  /// `waiter`, unless 0, wants the answer.
  void Declare(std::uint64_t waiter) {
    amqp::QueueDeclare queue;
    queue.name = kLeaseQueue;
    queue.exclusive = true;
    queue.arguments.Set(kLeaseHolder, options_.name);
    if (unanswered_++ == 0) asked_at_ = Clock::now();
    channel_->DeclareQueue(queue, [weak = weak_from_this(), attempt = attempt_, sent_at = Clock::now(),
                                   waiter](const Result<amqp::QueueDeclared>& answer) {
      const auto self = weak.lock();
      if (!self || self->attempt_ != attempt) return;
      self->Answered(answer, sent_at);
      auto found = self->waiting_.extract(waiter);
      if (!found) return;
      // A process that was stopped meanwhile reads an old answer.
      const bool fresh = Clock::now() < sent_at + kFresh;
      found.mapped().done(fresh && self->term() == found.mapped().term);
    });
  }

  /// Whoever waits to hear that the lead is held hears that it is not.
  void EndAttempt() {
    ++attempt_;
    unanswered_ = 0;
    for (auto& [id, waiter] : std::exchange(waiting_, {})) waiter.done(false);
  }

  void Answered(const Result<amqp::QueueDeclared>& answer, Clock::time_point sent_at) {
    --unanswered_;
    asked_at_ = Clock::now();  // It answers: what is still unanswered has as long from now.
    held_by_other_ = !answer && answer.error().code == ErrorCode::kConflict;
    has_worked_ = has_worked_ || answer || held_by_other_;
    if (answer) return Hold(sent_at);
    if (held_by_other_) {
      pause_ = std::min(pause_, kLongestPause);
      Follow();
    } else if (IsRefusal(answer.error())) {
      pause_ = kAlonePause;
      Refused(answer.error());
    } else {
      Become({Role::kSeeking, {}, answer.error().ToString()});
    }
    EndAttempt();  // The broker has closed the channel: whatever was called behind it says the same.
    AskLater(pause_);
    pause_ = std::min(pause_ * 2, std::max(pause_, kLongestPause));
  }

  void Hold(Clock::time_point sent_at) {
    pause_ = kFirstPause;
    {
      const std::lock_guard lock(mutex_);
      proven_at_ = std::max(proven_at_, sent_at);
    }
    if (status().role == Role::kLeader) return;
    Become({Role::kLeader, options_.name, {}});
    AskLater(kRenewEvery);
  }

  /// The lease is not for us: we act alone unless another one was seen to have it.
  void Refused(const Error& error) {
    if (HeldByOther()) return Follow();
    Become({Role::kAlone, {}, WhyAlone(error)});
  }

  /// By the last observation.
  bool HeldByOther() const { return seen_ && seen_->exclusive && seen_->holder != options_.name; }

  void Follow() {
    if (seen_ && !seen_->exclusive) return Become({Role::kSeeking, {}, kNoLease});
    const bool own = seen_ && seen_->holder == options_.name;  // Of a connection that the broker has not given up yet.
    Become({Role::kFollower, seen_ && !own ? seen_->holder : std::string(), {}});
  }

  void Down(const Error& error, bool was_up) {
    held_by_other_ = false;
    timer_.cancel();
    pause_ = kFirstPause;
    // A node that boots refuses users whom it will know: no reason to act beside one that leads.
    if (!was_up && !has_worked_ && IsRefusal(error)) {
      Refused(error);
    } else if (status().role != Role::kAlone) {
      Become({Role::kSeeking, {}, error.ToString()});
    }
    DropChannel();
    EndAttempt();
  }

  void AskLater(milliseconds pause) {
    timer_.expires_after(pause);
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (self && !error) self->Tick();
    });
  }

  void Tick() {
    const bool silent = unanswered_ > 0 && Clock::now() >= asked_at_ + kTrust;
    if (silent || (status().role == Role::kLeader && term() == 0)) {
      Down({ErrorCode::kTimeout, "the broker has not answered for 10 s", {}}, true);
      return link_.Reconnect();
    }
    Ask();
  }

  /// A channel must not go while it is calling us.
  void DropChannel() {
    if (channel_) boost::asio::post(executor_, [channel = std::move(channel_)] {});
    channel_ = nullptr;
  }

  void Become(LeaseStatus next) {
    {
      const std::lock_guard lock(mutex_);
      if (next == status_) return;
      if (next.acts() && !status_.acts()) ++term_;
      status_ = next;
    }
    on_change_(next);
  }

  const boost::asio::any_io_executor executor_;
  const LeaseOptions options_;
  const std::function<void(const LeaseStatus&)> on_change_;
  boost::asio::steady_timer timer_;
  NodeLink link_;
  std::shared_ptr<amqp::Channel> channel_;
  std::map<std::uint64_t, Waiter> waiting_;  ///< For the answer of a call of this attempt.
  std::uint64_t waiters_ = 0;
  std::uint64_t attempt_ = 0;   ///< Answers to calls of earlier ones do not count.
  int unanswered_ = 0;          ///< Calls of this attempt.
  Clock::time_point asked_at_;  ///< When the first of them was sent, or the last answer came.
  milliseconds pause_{kFirstPause};
  std::optional<LeaseQueue> seen_;  ///< By the last observation.
  bool held_by_other_ = false;      ///< By the last answer.
  bool has_worked_ = false;         ///< The lease was had or refused once.
  bool blind_ = false;              ///< It could do nothing with the lease.
  bool released_ = false;
  mutable std::mutex mutex_;
  LeaseStatus status_;  ///< With what follows: under the mutex.
  std::uint64_t term_ = 0;
  Clock::time_point proven_at_{};  ///< When the last call that was answered with yes was sent.
};

Lease::Lease(boost::asio::any_io_executor executor, LeaseOptions options,
             std::function<void(const LeaseStatus&)> on_change)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(options), std::move(on_change))) {}
Lease::~Lease() = default;

void Lease::SetEndpoints(std::vector<amqp::Endpoint> endpoints) {
  boost::asio::post(impl_->executor(), [impl = impl_, endpoints = std::move(endpoints)]() mutable {
    impl->SetEndpoints(std::move(endpoints));
  });
}
void Lease::NoteObserved(std::optional<LeaseQueue> queue) {
  boost::asio::post(impl_->executor(),
                    [impl = impl_, queue = std::move(queue)]() mutable { impl->NoteObserved(std::move(queue)); });
}
void Lease::NoteBlind(std::string reason) {
  boost::asio::post(impl_->executor(),
                    [impl = impl_, reason = std::move(reason)]() mutable { impl->NoteBlind(std::move(reason)); });
}
void Lease::OnEvent(const ClusterEvent& event) {
  if (event.kind != "queue.deleted" || event.name != kLeaseQueue || event.vhost != kLeaseVhost) return;
  boost::asio::post(impl_->executor(), [impl = impl_] { impl->NoteFree(); });
}
void Lease::ActAlone(std::string reason) {
  boost::asio::post(impl_->executor(),
                    [impl = impl_, reason = std::move(reason)]() mutable { impl->ActAlone(std::move(reason)); });
}
void Lease::Release() {
  boost::asio::post(impl_->executor(), [impl = impl_] { impl->Release(); });
}
LeaseStatus Lease::status() const { return impl_->status(); }
std::uint64_t Lease::term() const { return impl_->term(); }
void Lease::Confirm(std::uint64_t term, bool fresh, std::function<void(bool)> done) {
  impl_->Confirm(term, fresh, std::move(done));
}

}  // namespace warren::coordinator
