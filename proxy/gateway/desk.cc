// The desk's thread: what is seen, said and asked for goes into Groups, and what comes out of it to the members.
#include "proxy/gateway/desk.h"

#include <algorithm>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <future>
#include <mutex>
#include <thread>

#include "proxy/gateway/desk_links.h"
#include "proxy/gateway/desk_metrics.h"
#include "proxy/gateway/groups.h"
#include "proxy/gateway/look.h"
#include "proxy/gateway/look_events.h"
#include "shardmgr/plan/naming.h"
#include "shardmgr/program/failure_log.h"
#include "shardmgr/program/logging.h"

namespace warren::gateway {
namespace {

using program::Log;
using program::LogLevel;
using Clock = std::chrono::steady_clock;
namespace asio = boost::asio;

constexpr std::chrono::seconds kLongestGoodbye{1};  // For byes and closes to go out.

LinksOptions LinksOf(const DeskOptions& options) {
  return {options.nodes, options.credentials, options.vhost, options.tls_ca_file, options.instance};
}

amqp::LinkOptions EventLinkOf(const DeskOptions& options) {
  amqp::LinkOptions link;
  link.endpoints = options.nodes;
  link.connection.credentials = options.credentials;
  link.connection.name = "warren-gateway " + options.instance + " events";
  link.connection.tls_ca_file = options.tls_ca_file;
  link.connection.heartbeat = std::chrono::seconds(5);
  link.connection.handshake_timeout = std::chrono::seconds(5);
  return link;
}

}  // namespace

class Desk::Impl {
 public:
  Impl(DeskOptions options, prometheus::Registry& registry)
      : options_(std::move(options)),
        names_(options_.nodes.size()),
        up_(options_.nodes.size(), false),
        metrics_(registry),
        groups_(options_.consume),
        links_(io_.get_executor(), LinksOf(options_), LinkHooks()),
        look_(io_.get_executor(), options_.management, options_.refresh, LookHooks()),
        events_(io_.get_executor(), EventLinkOf(options_), EventHooks()),
        timer_(io_) {
    for (const auto& node : options_.nodes) metrics_.SetNodeUp(node.ToString(), false);
  }
  ~Impl() { Stop(); }

  void Start(asio::any_io_executor executor, std::function<void()> on_first_look) {
    on_first_look_ = [executor, done = std::move(on_first_look)] {
      if (done) asio::post(executor, done);
    };
    asio::post(io_, [this] {
      links_.Start();
      events_.Start();
      look_.Start();
    });
    thread_ = std::thread([this] {
      io_.run();
      ended_.set_value();
    });
  }

  void Stop() {
    if (!thread_.joinable()) return;
    asio::post(io_, [this] {
      look_.Stop();
      events_.Stop();
      links_.Stop();
      seats_.clear();
      stopped_ = true;
      timer_.cancel();
      work_.reset();
    });
    if (ended_.get_future().wait_for(kLongestGoodbye) != std::future_status::ready) io_.stop();
    thread_.join();
  }

  std::shared_ptr<const StreamMap> streams() const {
    const std::lock_guard lock(mutex_);
    return streams_;
  }
  std::string NodeName(std::size_t upstream) const {
    const std::lock_guard lock(mutex_);
    return upstream < names_.size() ? names_[upstream] : std::string();
  }
  bool NodeUp(std::size_t upstream) const {
    const std::lock_guard lock(mutex_);
    return upstream < up_.size() && up_[upstream];
  }
  Result<void> readiness() const {
    const std::lock_guard lock(mutex_);
    if (!looked_) {
      return Fail(ErrorCode::kUnavailable, look_error_.empty() ? "the names of streams are being read" : look_error_);
    }
    if (std::find(up_.begin(), up_.end(), true) == up_.end()) {
      return Fail(ErrorCode::kUnavailable, "none of the broker's nodes (--node) can be reached" +
                                               (node_error_.empty() ? node_error_ : ": " + node_error_));
    }
    return {};
  }

  MemberId Join(Member member, asio::any_io_executor executor, OnShards on_shards) {
    const MemberId id = ++last_id_;
    asio::post(io_, [this, id, member = std::move(member), executor = std::move(executor),
                     on_shards = std::move(on_shards)]() mutable {
      if (stopped_) return;
      const GroupKey key{member.upstream, member.vhost, member.exchange};
      seats_[id] = {std::move(executor), std::move(on_shards), key, {}};
      if (groups_.Join(id, std::move(member), Clock::now())) links_.Open(key);
      Wake();
    });
    return id;
  }

  void Leave(MemberId id) {
    asio::post(io_, [this, id] {
      const auto seat = seats_.find(id);
      if (seat == seats_.end()) return;
      for (const std::string& queue : seat->second.queues) metrics_.CountConsumer(seat->second.key, queue, -1);
      seats_.erase(seat);
      if (const auto ended = groups_.Leave(id)) links_.Close(*ended);
      Wake();
    });
  }

  void Lost(MemberId id, std::string queue) {
    asio::post(io_, [this, id, queue = std::move(queue)] {
      const auto key = groups_.Lost(id, queue);
      if (stopped_ || !key) return;
      links_.Lost(*key, queue);
      const std::string node = streams()->NodeOf(key->vhost, queue);
      if (!node.empty()) suspects_.emplace(key->upstream, node);
      look_.Soon();
      Wake();
    });
  }

 private:
  struct Seat {
    asio::any_io_executor executor;
    OnShards on_shards;
    GroupKey key;
    std::vector<std::string> queues;  ///< As told last.
  };

  Links::Hooks LinkHooks() {
    Links::Hooks hooks;
    hooks.on_failure = [this](const Error& error) {
      const std::lock_guard lock(mutex_);
      node_error_ = error.ToString();
    };
    hooks.on_node = [this](std::size_t upstream, bool up) { OnNode(upstream, up); };
    hooks.on_link = [this](std::size_t upstream, const std::string& vhost) {
      for (const GroupKey& key : groups_.keys()) {
        if (key.upstream == upstream && key.vhost == vhost) groups_.Touch(key);
      }
      Wake();
    };
    hooks.on_checked = [this](std::size_t upstream, const std::string& vhost, const std::string& queue) {
      if (const auto parts = ParseShardQueueName(queue)) groups_.Touch({upstream, vhost, parts->exchange});
      Wake();
    };
    hooks.on_inbox = [this] { look_.Soon(); };  // It tells the name of the node.
    hooks.holds = [this](const GroupKey& key) { return groups_.Holds(key); };
    hooks.on_assignment = [this](const GroupKey& key, const Assignment& assignment) { OnAssignment(key, assignment); };
    hooks.on_silent = [this](const GroupKey& key) {
      Log(LogLevel::kDebug, "no coordinator says what to consume",
          {{"vhost", key.vhost}, {"exchange", key.exchange}, {"upstream", key.upstream}});
      groups_.FallSilent(key);
      Wake();
    };
    return hooks;
  }

  Look::Hooks LookHooks() {
    return {.inboxes =
                [this] {
                  std::set<QueueKey> inboxes;
                  for (const auto& [inbox, upstream] : links_.inboxes()) inboxes.insert(inbox);
                  return inboxes;
                },
            .on_sight = [this](Sight sight) { OnSight(std::move(sight)); },
            .on_failure = [this](const Error& error) { OnLookFailure(error); }};
  }

  LookEvents::Hooks EventHooks() {
    return {.on_event =
                [this](std::string_view vhost, std::string_view queue) {
                  const auto known = streams();
                  if (IsShardName(queue) || (known && known->Concerns(vhost, queue))) look_.Soon();
                },
            .on_deleted = [this](std::string_view vhost, std::string_view queue) { OnDeleted(vhost, queue); },
            .on_listening = [this] { look_.Soon(); }};
  }

  /// Nobody is to open a consumer on it any more: the client's channel would be closed for that.
  void OnDeleted(std::string_view vhost, std::string_view queue) {
    const auto parts = ParseShardQueueName(queue);
    if (!parts) return;
    const std::string name(queue);
    for (const GroupKey& key : groups_.Gone(std::string(vhost), parts->exchange, name)) links_.Lost(key, name);
    Wake();
  }

  void OnNode(std::size_t upstream, bool up) {
    {
      const std::lock_guard lock(mutex_);
      if (up_[upstream] == up) return;
      up_[upstream] = up;
    }
    const std::string address = options_.nodes[upstream].ToString();
    metrics_.SetNodeUp(address, up);
    if (up) Log(LogLevel::kInfo, "connected to a node", {{"endpoint", address}});
    if (!up) suspects_.emplace(upstream, NodeName(upstream));
    look_.Soon();
    Wake();
  }

  /// A node that cannot be reached, or of which a shard was lost: before anybody opens another of its shards, and has
  /// the channel closed for that, they are to be seen again. A loss alone is no more than a reason to ask, as long as
  /// the node is there: a deleted queue says nothing of others. One whose name is not known may be any.
  void Doubt(std::size_t upstream, const std::string& node) {
    const bool gone = !node.empty() && !Reaches(node);
    const bool all = gone || node.empty();
    groups_.Doubt(node, gone, [&](std::size_t other) { return all ? NodeUp(other) : other == upstream; });
    links_.Doubt(*streams(), node);
  }

  bool Reaches(const std::string& node) const {
    const std::lock_guard lock(mutex_);
    for (std::size_t upstream = 0; upstream < names_.size(); ++upstream) {
      if (up_[upstream] && names_[upstream] == node) return true;
    }
    return false;
  }

  void OnSight(Sight sight) {
    metrics_.looks.Increment();
    look_failures_.Forget("management API");
    for (const auto& [inbox, upstream] : links_.inboxes()) {
      const auto node = sight.nodes.find(inbox);
      if (node == sight.nodes.end()) continue;
      if (inbox.first == options_.vhost || NodeName(upstream).empty()) SetNode(upstream, node->second);
    }
    links_.OnStreams(*sight.streams);
    groups_.SetStreams(sight.streams);
    const std::size_t count = sight.streams->streams().size();
    bool first = false;
    {
      const std::lock_guard lock(mutex_);
      streams_.swap(sight.streams);  // The old one goes after the lock.
      first = !std::exchange(looked_, true);
    }
    if (first) {
      Log(LogLevel::kInfo, "knows the names of streams", {{"streams", count}});
      on_first_look_();
    }
    Wake();
  }

  void OnLookFailure(const Error& error) {
    metrics_.look_failures.Increment();
    {
      const std::lock_guard lock(mutex_);
      look_error_ = error.ToString();
    }
    look_failures_.Note("cannot read queues and bindings; what is known of streams stays as it is", "management API",
                        error, false);
  }

  void SetNode(std::size_t upstream, const std::string& node) {
    {
      const std::lock_guard lock(mutex_);
      if (names_[upstream] == node) return;
      names_[upstream] = node;
    }
    groups_.SetNode(upstream, node);
  }

  void OnAssignment(const GroupKey& key, const Assignment& assignment) {
    if (!assignment.node.empty() && NodeName(key.upstream).empty()) SetNode(key.upstream, assignment.node);
    groups_.Assign(key, assignment.shards, assignment.local);
    const auto known = streams();
    for (const std::string& queue : assignment.shards) {
      if (known && known->FindShard(key.vhost, queue) != nullptr) continue;
      look_.Soon();  // The coordinator knows more.
      break;
    }
    Wake();
  }

  /// Once for all that changes in one turn of the thread.
  void Wake() {
    if (stopped_ || std::exchange(awake_, true)) return;
    asio::post(io_, [this] {
      awake_ = false;
      if (!stopped_) Turn();
    });
  }

  void Turn() {
    for (const auto& [upstream, node] : std::exchange(suspects_, {})) Doubt(upstream, node);
    const auto answers = groups_.Update(
        Clock::now(), [this](const GroupKey& key, const std::string& queue) { return links_.Ask(key, queue); });
    for (const Groups::Answer& answer : answers) Tell(answer);
    TellSources();
    const auto next = groups_.next();
    if (!next) return;
    timer_.expires_at(*next);
    timer_.async_wait([this](boost::system::error_code error) {
      if (!error) Wake();
    });
  }

  void Tell(const Groups::Answer& answer) {
    Seat& seat = seats_.at(answer.member);
    for (const std::string& queue : answer.queues) metrics_.CountConsumer(seat.key, queue, +1);
    for (const std::string& queue : seat.queues) metrics_.CountConsumer(seat.key, queue, -1);
    seat.queues = answer.queues;
    Log(LogLevel::kDebug, "a consumer's shards",
        {{"vhost", seat.key.vhost},
         {"exchange", seat.key.exchange},
         {"upstream", seat.key.upstream},
         {"consumer", answer.member},
         {"shards", answer.queues.size()},
         {"known", answer.known}});
    asio::post(seat.executor, [on_shards = seat.on_shards, queues = answer.queues, known = answer.known]() mutable {
      on_shards(std::move(queues), known);
    });
  }

  void TellSources() {
    const auto [assigned, others] = groups_.CountSources();
    metrics_.SetGroups(assigned, others);
  }

  const DeskOptions options_;
  mutable std::mutex mutex_;  ///< For what follows, up to the next empty line.
  std::shared_ptr<const StreamMap> streams_ = std::make_shared<const StreamMap>();
  std::vector<std::string> names_;
  std::vector<bool> up_;
  bool looked_ = false;
  std::string look_error_, node_error_;

  std::atomic<MemberId> last_id_{0};
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  DeskMetrics metrics_;
  Groups groups_;
  Links links_;
  Look look_;
  LookEvents events_;
  asio::steady_timer timer_;  ///< For Groups::next.
  program::FailureLog look_failures_;
  std::map<MemberId, Seat> seats_;
  std::set<std::pair<std::size_t, std::string>> suspects_;  ///< Nodes, and whose members lost a shard there.
  std::function<void()> on_first_look_;
  bool awake_ = false, stopped_ = false;
  std::promise<void> ended_;
  std::thread thread_;
};

Desk::Desk(DeskOptions options, prometheus::Registry& registry)
    : impl_(std::make_shared<Impl>(std::move(options), registry)) {}
Desk::~Desk() { impl_->Stop(); }
void Desk::Start(asio::any_io_executor executor, std::function<void()> on_first_look) {
  impl_->Start(std::move(executor), std::move(on_first_look));
}
void Desk::Stop() { impl_->Stop(); }
std::shared_ptr<const StreamMap> Desk::streams() const { return impl_->streams(); }
std::string Desk::NodeName(std::size_t upstream) const { return impl_->NodeName(upstream); }
bool Desk::NodeUp(std::size_t upstream) const { return impl_->NodeUp(upstream); }
MemberId Desk::Join(Member member, asio::any_io_executor executor, OnShards on_shards) {
  return impl_->Join(std::move(member), std::move(executor), std::move(on_shards));
}
void Desk::Leave(MemberId member) { impl_->Leave(member); }
void Desk::Lost(MemberId member, std::string queue) { impl_->Lost(member, std::move(queue)); }
Result<void> Desk::readiness() const { return impl_->readiness(); }

}  // namespace warren::gateway
