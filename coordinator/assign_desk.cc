// See assign_desk.h. What changes is noted, and worked out in one go a moment later (burst.h): a thousand hellos make
// one computation of each stream. A tick looks after everything that has to do with time.
#include "coordinator/assign_desk.h"

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <mutex>
#include <thread>

#include "coordinator/burst.h"
#include "coordinator/clock.h"
#include "coordinator/control_room.h"
#include "coordinator/inbox_finder.h"
#include "coordinator/joiners.h"
#include "coordinator/reassign.h"
#include "shardmgr/program/logging.h"

namespace warren::coordinator {
namespace {

using program::Log;
using program::LogLevel;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kTick{500};
constexpr std::int64_t kKeepAliveMs = 5'000;
constexpr std::int64_t kGreatestTerm = std::int64_t{1} << 53;  // What is said to be later is nonsense.

const StreamPlan* FindStream(const Snapshot& snapshot, const StreamName& name) {
  const auto& streams = snapshot.streams;
  const auto found = std::lower_bound(streams.begin(), streams.end(), name, [](const auto& status, const auto& wanted) {
    return std::tie(status.plan.vhost, status.plan.exchange) < std::tie(wanted.vhost, wanted.exchange);
  });
  if (found == streams.end() || found->plan.vhost != name.vhost || found->plan.exchange != name.exchange)
    return nullptr;
  return &found->plan;
}

/// In the whole cluster nothing is taken from anybody then.
bool HasAlarm(const Snapshot* snapshot) {
  return snapshot != nullptr &&
         std::any_of(snapshot->nodes.begin(), snapshot->nodes.end(), [](const NodeStatus& status) {
           return status.node.running && (status.node.memory_alarm || status.node.disk_alarm);
         });
}

/// What is no shard of the stream is none of our business, and takes no memory.
void KeepShards(const StreamPlan& stream, std::vector<std::string>& queues) {
  if (queues.empty()) return;
  std::set<std::string_view> shards;
  for (const Shard& shard : stream.shards) shards.insert(shard.queue);
  std::erase_if(queues, [&](const std::string& queue) { return !shards.contains(queue); });
}

std::string CrowdedNotice(const std::string& vhost) {
  return "no assignments for some consumers in vhost '" + vhost + "': a coordinator knows at most " +
         std::to_string(ConsumerBook::kMostOfVhost.consumers) + " in one virtual host and " +
         std::to_string(ConsumerBook::kMost.consumers) + " in all";
}

std::string LeftOutNotice(const StreamName& stream) {
  return "no consumer for some shards of exchange '" + stream.exchange + "' in vhost '" + stream.vhost +
         "': one consumer is given at most " + std::to_string(kMaxAssignedShards) +
         ", and no more names than a message of " + std::to_string(kMaxControlBytes) + " bytes holds; start more";
}

}  // namespace

class AssignDesk::Impl {
 public:
  Impl(AssignDeskOptions options, const Lease& lease, Journal& journal)
      : options_(std::move(options)),
        lease_(lease),
        joiners_(journal),
        room_(io_.get_executor(), {options_.credentials, options_.tls_ca_file, {}},
              {.on_message = [this](const auto& vhost, const auto& message) { OnMessage(vhost, message); },
               .on_returned =
                   [this](const auto& vhost, const auto& inbox) {
                     Gone(book_.Remove({vhost, inbox}));
                   },
               .on_heard = [this](const auto& vhost) { book_.Forgive(vhost, NowMs()); },
               .on_closed = [this](const auto& vhost) { Gone(book_.RemoveVhost(vhost)); },
               .on_notice = [this] { view_is_old_ = true; }}) {}
  ~Impl() { Stop(); }

  void Start() {
    finder_ = std::make_unique<InboxFinder>(io_.get_executor(), options_.management);
    started_ = true;
    Tick();
    thread_ = std::thread([this] { io_.run(); });
  }

  void Stop() {
    started_ = false;
    io_.stop();
    if (thread_.joinable()) thread_.join();
  }

  template <class Call>
  void Post(Call call) {
    if (started_) boost::asio::post(io_, std::move(call));
  }

  void OnCluster(std::shared_ptr<const Snapshot> snapshot, const std::vector<amqp::Endpoint>& running) {
    snapshot_ = std::move(snapshot);
    std::set<std::string> vhosts;
    for (const StreamStatus& stream : snapshot_->streams) vhosts.insert(stream.plan.vhost);
    room_.SetVhosts(vhosts, running);
    for (const auto& [stream, group] : book_.groups()) dirty_.insert(stream);
    if (!dirty_.empty()) RoundSoon();
  }

  void OnEvent(const ClusterEvent& event) {
    if (event.kind == "queue.deleted") return Gone(book_.Remove({event.vhost, event.name}));
    const bool of_other = event.kind.starts_with("permission.") && event.user != options_.credentials.user;
    if (!of_other) room_.Retry(event.vhost);
  }

  /// A new lead: new numbers, and everybody is told at once.
  void CheckLead() {
    const LeaseStatus status = lease_.status();
    if (status.role == Role::kFollower && !status.leader.empty()) numbering_.own_from = 0;
    const std::uint64_t lead = lease_.term();
    if (lead == lead_) return;
    lead_ = lead;
    lead_since_ms_ = NowMs();
    numbering_.term = 0;
    if (lead != 0) BeginTerm();
    for (auto& [stream, group] : book_.groups()) dirty_.insert(stream);
    RoundSoon();
  }

  std::shared_ptr<const AssignmentView> view() const {
    const std::lock_guard lock(mutex_);
    return view_;
  }

 private:
  void OnMessage(const std::string& vhost, const ControlMessage& message) {
    if (message.damaged) return Refuse(vhost, "size", "it is too large, or its headers cannot be read");
    if (message.type != kHelloType && message.type != kByeType)
      return Refuse(vhost, "type", "its type is neither warren.hello nor warren.bye");
    if (message.inbox.empty()) return Refuse(vhost, "inbox", "it has no reply_to");
    // In a path of the management API these mean something else.
    if (message.inbox == "." || message.inbox == "..") return Refuse(vhost, "inbox", "its reply_to is no inbox's name");
    auto hello = ReadHello(message.body);
    if (!hello) return Refuse(vhost, "body", hello.error().ToString());
    const StreamName stream{vhost, hello->exchange};
    const std::string inbox(message.inbox);
    if (message.type == kByeType) {
      if (book_.Bye(vhost, inbox, *hello)) Gone({{stream, 1}});
      return;
    }
    // No stream, or none yet that was seen: it says hello again in a second.
    const StreamPlan* plan = snapshot_ ? FindStream(*snapshot_, stream) : nullptr;
    if (plan == nullptr) return;
    KeepShards(*plan, hello->holds);
    NoteTerm(vhost, hello->term);
    const std::string instance = hello->instance;
    if (Ear* ear = room_.ear(vhost)) ear->Heard(!hello->holds.empty(), book_.LastSeenMs(stream, instance));
    const std::size_t before = book_.size();
    const auto heard = book_.Hear(vhost, inbox, *std::move(hello), NowMs());
    if (heard == ConsumerBook::Heard::kRefused) return Refuse(vhost, "number", "there are too many consumers");
    if (book_.size() > before) joiners_.Joined(stream);
    view_is_old_ = true;
    if (heard == ConsumerBook::Heard::kNew) {
      Note(stream);
      Find();
    } else if (!dirty_.contains(stream)) {
      Answer(stream, instance, book_.groups()[stream][instance]);
    }
  }

  void BeginTerm() {
    numbering_.Begin(std::max(NowMs(), last_term_ + 1));
    last_term_ = numbering_.term;
  }

  /// Of the last assignment that a consumer took: what comes below counts for nothing, so that one whose clock is
  /// behind begins anew.
  void NoteTerm(const std::string& vhost, std::int64_t term) {
    if (term > kGreatestTerm) return;
    last_term_ = std::max(last_term_, term);
    const Ear* ear = room_.ear(vhost);
    if (lead_ == 0 || term <= numbering_.term || ear == nullptr || !ear->IsFresh(lead_since_ms_, NowMs())) return;
    BeginTerm();
    for (auto& [stream, group] : book_.groups()) Note(stream);
  }

  /// Once for each reason: whoever says nonsense says it again and again.
  void Refuse(const std::string& vhost, const std::string& reason, const std::string& why) {
    const bool first = refused_.emplace(vhost, reason).second;
    Log(first ? LogLevel::kWarning : LogLevel::kDebug, "a message on exchange warren.control is of no use: " + why,
        {{"vhost", vhost}});
  }

  /// Finds the nodes of new inboxes, some at a time.
  void Find() {
    while (!finder_->busy()) {
      const auto inbox = book_.NextUnknown(NowMs());
      if (!inbox) return;
      finder_->Ask(inbox->vhost, inbox->queue, [this, name = *inbox](const Result<Queue>& found) {
        Found(name, found);
        Find();
      });
    }
  }

  void Found(const InboxName& inbox, const Result<Queue>& found) {
    if (found && found->exclusive && !found->node.empty()) {
      for (const auto& [stream, number] : book_.Locate(inbox, found->node)) Note(stream);
      return;
    }
    const bool nobodys = found ? !found->exclusive : found.error().code == ErrorCode::kNotFound;
    if (!nobodys) return book_.Postpone(inbox, NowMs());
    // Nothing is ever sent to a queue that may be an application's.
    if (found) Refuse(inbox.vhost, "reply_to", "its reply_to '" + inbox.queue + "' is no exclusive queue");
    Gone(book_.Remove(inbox));
  }

  void Gone(const ConsumerBook::Streams& streams) {
    for (const auto& [stream, number] : streams) {
      joiners_.Left(stream, number);
      Note(stream);
    }
  }

  void Note(const StreamName& stream) {
    dirty_.insert(stream);
    RoundSoon();
  }

  void RoundSoon() {
    burst_.Event(Clock::now());
    WaitForRound();
  }

  void WaitForRound() {
    const auto due = burst_.due();
    if (!due) return;
    round_.expires_at(*due);
    round_.async_wait([this](const boost::system::error_code& error) {
      if (!error) Round();
    });
  }

  void Round() {
    const auto began = Clock::now();
    CheckLead();
    for (const StreamName& stream : std::exchange(dirty_, {})) {
      if (book_.groups().contains(stream) && IsTooEarly(stream.vhost)) {
        dirty_.insert(stream);
        continue;
      }
      ShareOut(stream);
    }
    burst_.Looked(began, Clock::now());
    PublishView();
    WaitForRound();
  }

  /// Whoever has only begun to listen does not know yet who is there.
  bool IsTooEarly(const std::string& vhost) {
    const Ear* ear = room_.ear(vhost);
    return lead_ != 0 && (ear == nullptr || ear->IsTooEarly(lead_since_ms_, NowMs()));
  }

  void ShareOut(const StreamName& stream) {
    left_out_.erase(stream);
    const auto group = book_.groups().find(stream);
    if (group == book_.groups().end() || !snapshot_) return;
    const StreamPlan* plan = FindStream(*snapshot_, stream);
    if (plan == nullptr) {
      // No stream, or none yet: they know better themselves.
      for (auto& [instance, consumer] : group->second) consumer.assignment = nullptr;
      return;
    }
    const auto result =
        Reassign(*plan, group->second, numbering_, snapshot_->observed_at_ms, options_.statistics_interval.count());
    if (result.left_out) left_out_.insert(stream);
    for (const std::string& instance : result.changed) group->second[instance].waits = true;
    for (auto& [instance, consumer] : group->second) {
      if (consumer.waits) Answer(stream, instance, consumer);
    }
  }

  void Answer(const StreamName& stream, const std::string& instance, BookedConsumer& consumer) {
    const GivenShards* told = consumer.told();
    const bool can = told != nullptr && numbering_.term != 0 && told->number.term == numbering_.term;
    if (!can || lease_.term() != lead_ || !room_.CanSend(stream.vhost)) return;
    if (!room_.Send(stream.vhost, consumer.inbox, Message(stream, instance, *told))) return;
    consumer.waits = false;
    consumer.told_ms = NowMs();
  }

  void Tick() {
    CheckLead();
    const std::int64_t now_ms = NowMs();
    room_.Look(HasAlarm(snapshot_.get()));
    Gone(book_.Expire(now_ms, [this](const std::string& vhost) {
      const Ear* ear = room_.ear(vhost);
      return ear == nullptr || ear->hears();
    }));
    for (auto& [stream, group] : book_.groups()) {
      const bool changes = dirty_.contains(stream);
      for (auto& [instance, consumer] : group) {
        if (!changes && (consumer.waits || now_ms - consumer.told_ms >= kKeepAliveMs))
          Answer(stream, instance, consumer);
      }
    }
    if (!dirty_.empty()) RoundSoon();
    Find();
    auto crowded = book_.Crowded(now_ms);
    view_is_old_ = view_is_old_ || crowded != crowded_;
    crowded_ = std::move(crowded);
    joiners_.Tell(now_ms, book_);
    if (view_is_old_) PublishView();
    tick_.expires_after(kTick);
    tick_.async_wait([this](const boost::system::error_code& error) {
      if (!error) Tick();
    });
  }

  void PublishView() {
    auto next = std::make_shared<AssignmentView>();
    for (const auto& [stream, group] : book_.groups()) {
      next->per_stream.emplace(stream, group.size());
      for (const auto& [instance, consumer] : group) {
        next->consumers.push_back({stream, instance, consumer.kind, consumer.node,
                                   consumer.told() != nullptr ? consumer.assignment : nullptr, consumer.since_ms,
                                   consumer.last_seen_ms});
      }
    }
    next->notices = room_.notices();
    for (const std::string& vhost : crowded_) next->notices.push_back(CrowdedNotice(vhost));
    for (const StreamName& stream : left_out_) next->notices.push_back(LeftOutNotice(stream));
    view_is_old_ = false;
    std::shared_ptr<const AssignmentView> old = std::move(next);
    const std::lock_guard lock(mutex_);
    view_.swap(old);
  }

  const AssignDeskOptions options_;
  const Lease& lease_;
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
  boost::asio::steady_timer tick_{io_}, round_{io_};
  Joiners joiners_;
  std::unique_ptr<InboxFinder> finder_;  ///< While it is started.
  ConsumerBook book_;
  ControlRoom room_;
  std::shared_ptr<const Snapshot> snapshot_;
  std::set<StreamName> dirty_;  ///< To be worked out anew.
  Burst burst_;
  std::uint64_t lead_ = 0;      ///< As Lease::term() was last.
  Numbering numbering_;         ///< Of the assignments of that lead.
  std::int64_t last_term_ = 0;  ///< Greatest one that was ever used or heard of.
  std::int64_t lead_since_ms_ = 0;
  std::set<StreamName> left_out_;     ///< With shards that no consumer can be told of.
  std::vector<std::string> crowded_;  ///< Vhosts with more consumers than there is room for.
  bool view_is_old_ = false;
  std::set<std::pair<std::string, std::string>> refused_;  ///< Vhost and reason of what was told.
  mutable std::mutex mutex_;
  std::shared_ptr<const AssignmentView> view_ = std::make_shared<const AssignmentView>();
  std::atomic<bool> started_{false};
  std::thread thread_;
};

AssignDesk::AssignDesk(AssignDeskOptions options, const Lease& lease, Journal& journal)
    : impl_(std::make_unique<Impl>(std::move(options), lease, journal)) {}
AssignDesk::~AssignDesk() = default;
void AssignDesk::Start() { impl_->Start(); }
void AssignDesk::Stop() { impl_->Stop(); }
void AssignDesk::SetCluster(std::shared_ptr<const Snapshot> snapshot, std::vector<amqp::Endpoint> running) {
  impl_->Post([impl = impl_.get(), snapshot = std::move(snapshot), running = std::move(running)]() mutable {
    impl->OnCluster(std::move(snapshot), running);
  });
}
void AssignDesk::OnEvent(const ClusterEvent& event) {
  const bool of_control = event.kind == "exchange.created" && event.name == kControlExchange;
  if (!of_control && event.kind != "queue.deleted" && !event.kind.starts_with("permission.")) return;
  impl_->Post([impl = impl_.get(), event] { impl->OnEvent(event); });
}
void AssignDesk::OnLease() {
  impl_->Post([impl = impl_.get()] { impl->CheckLead(); });
}
std::shared_ptr<const AssignmentView> AssignDesk::view() const { return impl_->view(); }

}  // namespace warren::coordinator
