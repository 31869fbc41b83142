// The link with the inbox on it, and the one beside it for what is published.
#include "proxy/gateway/node_link.h"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <utility>

#include "shardmgr/model/assignment.h"
#include "shardmgr/program/failure_log.h"
#include "shardmgr/program/logging.h"

namespace warren::gateway {
namespace {

using program::Log;
using program::LogLevel;

constexpr std::chrono::seconds kHeartbeat{5};  // A node that vanishes without a word is noticed in 10 s.
constexpr std::chrono::seconds kHandshakeTimeout{5};
constexpr std::chrono::milliseconds kLongestPause{2'000};
constexpr std::chrono::seconds kInboxPause{5};

amqp::LinkOptions OptionsOf(const NodeLinkOptions& options, const std::string& name) {
  amqp::LinkOptions link;
  link.endpoints = {options.node};
  link.connection.credentials = options.credentials;
  link.connection.vhost = options.vhost;
  link.connection.name = name;
  link.connection.tls_ca_file = options.tls_ca_file;
  link.connection.heartbeat = kHeartbeat;
  link.connection.handshake_timeout = kHandshakeTimeout;
  link.connection.max_message_bytes = kMaxControlBytes;
  link.longest_pause = kLongestPause;
  return link;
}

}  // namespace

class NodeLink::Impl : public std::enable_shared_from_this<NodeLink::Impl> {
 public:
  Impl(boost::asio::any_io_executor executor, NodeLinkOptions options, Hooks hooks)
      : executor_(executor),
        options_(std::move(options)),
        hooks_(std::move(hooks)),
        timer_(executor),
        checks_(std::make_shared<ShardChecks>(executor, [this](const std::string& queue) {
          if (!stopped_) hooks_.on_checked(queue);
        })) {}

  void Start() {
    const auto weak = weak_from_this();
    amqp::LinkHandlers handlers;
    handlers.on_up = [weak](const std::shared_ptr<amqp::Connection>& connection) {
      if (const auto self = weak.lock()) self->Up(connection);
    };
    handlers.on_down = [weak](const amqp::Endpoint& node, const Error& error, bool was_up) {
      if (const auto self = weak.lock()) self->Down(node, error, was_up);
    };
    link_ = std::make_unique<amqp::Link>(executor_, OptionsOf(options_, options_.name), std::move(handlers));
    link_->Start();
  }

  void Stop() {
    if (std::exchange(stopped_, true)) return;
    timer_.cancel();
    checks_->SetConnection(nullptr);
    channel_ = nullptr;
    inbox_.clear();
    if (publisher_) publisher_->Stop();
    if (link_) link_->Stop();
  }

  void OpenPublisher() {
    if (std::exchange(publishes_, true) || !connection()) return;
    StartPublisher();
  }

  void ClosePublisher() {
    publishes_ = false;
    publisher_ = nullptr;
  }

  std::shared_ptr<amqp::Connection> publisher() const { return publisher_ ? publisher_->connection() : nullptr; }
  std::shared_ptr<amqp::Connection> connection() const { return link_ ? link_->connection() : nullptr; }
  const std::string& inbox() const { return inbox_; }
  bool refuses_inbox() const { return told_ && inbox_.empty() && connection() != nullptr; }
  ShardChecks& checks() { return *checks_; }

 private:
  void Up(const std::shared_ptr<amqp::Connection>& connection) {
    if (stopped_) return;
    failures_.Forget(options_.node.ToString());
    Log(LogLevel::kDebug, "connected to a node", {{"endpoint", options_.node.ToString()}, {"vhost", options_.vhost}});
    checks_->SetConnection(connection);
    if (publishes_) StartPublisher();
    hooks_.on_up();
    OpenInbox();
  }

  void Down(const amqp::Endpoint& node, const Error& error, bool was_up) {
    if (stopped_) return;
    const Error trouble = error.Within("virtual host '" + options_.vhost + "'");
    failures_.Note(was_up ? "lost a node" : "cannot reach a node", node.ToString(), trouble, was_up);
    hooks_.on_failure(trouble.Within(node.ToString()));
    checks_->SetConnection(nullptr);
    CloseInbox();
    publisher_ = nullptr;
    if (was_up) hooks_.on_lost();
  }

  void StartPublisher() {
    const auto weak = weak_from_this();
    amqp::LinkHandlers handlers;
    handlers.on_up = [weak](const std::shared_ptr<amqp::Connection>&) {
      const auto self = weak.lock();
      if (!self || self->stopped_) return;
      self->publisher_failures_.Forget(self->options_.node.ToString());
      self->hooks_.on_publisher();
    };
    handlers.on_down = [weak](const amqp::Endpoint& node, const Error& error, bool was_up) {
      const auto self = weak.lock();
      if (!self || self->stopped_) return;
      // The node's end ends both; it is told as that of the other.
      if (!was_up) {
        self->publisher_failures_.Note("has no connection to ask coordinators over", node.ToString(),
                                       error.Within("virtual host '" + self->options_.vhost + "'"), false);
      }
      self->hooks_.on_publisher_lost(was_up);
    };
    publisher_ =
        std::make_unique<amqp::Link>(executor_, OptionsOf(options_, options_.name + " hellos"), std::move(handlers));
    publisher_->Start();
  }

  void OpenInbox() {
    const auto open = connection();
    if (stopped_ || !open) return;
    channel_ = open->OpenChannel();
    channel_->SetHandlers(
        {.on_cancelled = [this, channel = channel_.get()](std::string_view) { InboxLost(channel, {}); },
         .on_closed = [this, channel = channel_.get()](const Error& error) { InboxLost(channel, error); }});
    amqp::QueueDeclare queue;
    queue.exclusive = queue.auto_delete = true;
    channel_->DeclareQueue(queue, [weak = weak_from_this()](const Result<amqp::QueueDeclared>& declared) {
      const auto self = weak.lock();
      if (self && declared && self->channel_) self->ConsumeInbox(declared->name);
    });
  }

  void ConsumeInbox(const std::string& queue) {
    const auto weak = weak_from_this();
    channel_->Consume(
        queue, "", true, true, {},
        [weak](amqp::Delivery& delivery) {
          if (const auto self = weak.lock()) self->OnDelivery(delivery);
        },
        [weak, queue](const Result<std::string>& consuming) {
          const auto self = weak.lock();
          if (!self || !consuming || !self->channel_ || self->stopped_) return;
          self->inbox_ = queue;
          self->told_ = false;
          self->hooks_.on_inbox();
        });
  }

  void OnDelivery(const amqp::Delivery& delivery) {
    if (stopped_ || delivery.damaged()) return;
    const amqp_basic_properties_t& properties = delivery.properties;
    if ((properties._flags & AMQP_BASIC_TYPE_FLAG) == 0 || amqp::View(properties.type) != kAssignmentType) return;
    hooks_.on_assignment(delivery.body);
  }

  void CloseInbox() {
    timer_.cancel();
    boost::asio::post(executor_, [gone = std::move(channel_)] {});  // Not while it is calling.
    channel_ = nullptr;
    inbox_.clear();
  }

  // The end of the connection takes the channel with it; Down follows then.
  void InboxLost(const amqp::Channel* channel, const Error& error) {
    if (stopped_ || channel_.get() != channel) return;
    CloseInbox();
    const auto open = connection();
    if (!open || !open->is_open()) return;
    Log(std::exchange(told_, true) ? LogLevel::kDebug : LogLevel::kWarning,
        "has no queue for assignments; the user needs all permissions on amq.gen-… in this virtual host", error,
        {{"endpoint", options_.node.ToString()}, {"vhost", options_.vhost}});
    hooks_.on_lost();
    timer_.expires_after(kInboxPause);
    timer_.async_wait([weak = weak_from_this()](boost::system::error_code fault) {
      const auto self = weak.lock();
      if (self && !fault) self->OpenInbox();
    });
  }

  boost::asio::any_io_executor executor_;
  const NodeLinkOptions options_;
  const Hooks hooks_;
  boost::asio::steady_timer timer_;
  std::shared_ptr<ShardChecks> checks_;
  program::FailureLog failures_, publisher_failures_;
  bool stopped_ = false, told_ = false, publishes_ = false;
  std::string inbox_;
  std::shared_ptr<amqp::Channel> channel_;
  std::unique_ptr<amqp::Link> link_, publisher_;
};

NodeLink::NodeLink(boost::asio::any_io_executor executor, NodeLinkOptions options, Hooks hooks)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(options), std::move(hooks))) {}
NodeLink::~NodeLink() { impl_->Stop(); }
void NodeLink::Start() { impl_->Start(); }
void NodeLink::Stop() { impl_->Stop(); }
std::shared_ptr<amqp::Connection> NodeLink::connection() const { return impl_->connection(); }
void NodeLink::OpenPublisher() { impl_->OpenPublisher(); }
void NodeLink::ClosePublisher() { impl_->ClosePublisher(); }
std::shared_ptr<amqp::Connection> NodeLink::publisher() const { return impl_->publisher(); }
const std::string& NodeLink::inbox() const { return impl_->inbox(); }
bool NodeLink::refuses_inbox() const { return impl_->refuses_inbox(); }
ShardChecks& NodeLink::checks() { return impl_->checks(); }

}  // namespace warren::gateway
