// A queue bound to the event exchange, on a connection of its own.
#include "proxy/gateway/look_events.h"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <utility>

#include "shardmgr/broker/amqp/table.h"
#include "shardmgr/program/failure_log.h"
#include "shardmgr/program/logging.h"

namespace warren::gateway {
namespace {

using program::Log;
using program::LogLevel;

constexpr const char* kEventExchange = "amq.rabbitmq.event";
constexpr const char* kEventVhost = "/";
constexpr const char* kQueueDeleted = "queue.deleted";
constexpr const char* kEventKeys[] = {"queue.created", kQueueDeleted, "binding.created", "binding.deleted"};
constexpr std::chrono::seconds kAgain{60};

std::string_view Text(const amqp_table_t& headers, std::string_view key) {
  return amqp::AsText(amqp::Find(headers, key)).value_or(std::string_view());
}

}  // namespace

class LookEvents::Impl : public std::enable_shared_from_this<LookEvents::Impl> {
 public:
  Impl(boost::asio::any_io_executor executor, amqp::LinkOptions link, Hooks hooks)
      : executor_(executor), options_(std::move(link)), hooks_(std::move(hooks)), timer_(executor) {
    options_.connection.vhost = kEventVhost;
  }

  void Start() {
    const auto weak = weak_from_this();
    amqp::LinkHandlers handlers;
    handlers.on_up = [weak](const std::shared_ptr<amqp::Connection>&) {
      if (const auto self = weak.lock()) self->Subscribe();
    };
    handlers.on_down = [weak](const amqp::Endpoint& node, const Error& error, bool was_up) {
      if (const auto self = weak.lock()) self->Down(node, error, was_up);
    };
    link_ = std::make_unique<amqp::Link>(executor_, options_, std::move(handlers));
    link_->Start();
  }

  void Stop() {
    if (std::exchange(stopped_, true)) return;
    timer_.cancel();
    channel_ = nullptr;
    if (link_) link_->Stop();
  }

 private:
  void Subscribe() {
    const auto connection = link_->connection();
    if (stopped_ || !connection) return;
    channel_ = connection->OpenChannel();
    channel_->SetHandlers(
        {.on_cancelled = [this, channel = channel_.get()](std::string_view) { Lost(channel, {}); },
         .on_closed = [this, channel = channel_.get()](const Error& error) { Lost(channel, error); }});
    amqp::QueueDeclare queue;
    queue.exclusive = queue.auto_delete = true;
    // One step at a time: the broker logs each call that cannot be, and may close the channel for each.
    channel_->DeclareQueue(queue, [weak = weak_from_this()](const Result<amqp::QueueDeclared>& declared) {
      const auto self = weak.lock();
      if (self && declared && self->channel_) self->Bind();
    });
  }

  void Bind() {
    channel_->BindQueue({}, kEventExchange, kEventKeys[0], {}, [weak = weak_from_this()](const Result<void>& bound) {
      const auto self = weak.lock();
      if (self && bound && self->channel_) self->Consume();
    });
  }

  void Consume() {
    for (const char* key : kEventKeys) channel_->BindQueue({}, kEventExchange, key, {}, [](const Result<void>&) {});
    const auto weak = weak_from_this();
    channel_->Consume(
        {}, {}, true, true, {},
        [weak](const amqp::Delivery& delivery) {
          if (const auto self = weak.lock()) self->OnDelivery(delivery);
        },
        [weak](const Result<std::string>& consuming) {
          const auto self = weak.lock();
          if (!self || !consuming || self->stopped_) return;
          self->told_ = false;
          Log(LogLevel::kDebug, "hears of queues and bindings", {{"exchange", kEventExchange}});
          self->hooks_.on_listening();
        });
  }

  void OnDelivery(const amqp::Delivery& delivery) {
    if (stopped_ || delivery.damaged() || (delivery.properties._flags & AMQP_BASIC_HEADERS_FLAG) == 0) return;
    const amqp_table_t& headers = delivery.properties.headers;
    const bool of_queue = delivery.routing_key.starts_with("queue.");
    if (!of_queue && Text(headers, "destination_kind") == "exchange") return;
    const std::string_view vhost = Text(headers, "vhost");
    const std::string_view queue = Text(headers, of_queue ? "name" : "destination_name");
    if (delivery.routing_key == kQueueDeleted) hooks_.on_deleted(vhost, queue);
    hooks_.on_event(vhost, queue);
  }

  void Down(const amqp::Endpoint& node, const Error& error, bool was_up) {
    if (stopped_) return;
    Drop();
    if (!was_up) failures_.Note("cannot connect for events", node.ToString(), error, false);
  }

  void Drop() {
    timer_.cancel();
    boost::asio::post(executor_, [gone = std::move(channel_)] {});  // Not while it is calling.
    channel_ = nullptr;
  }

  // The end of the connection takes the channel with it; Down follows then.
  void Lost(const amqp::Channel* channel, const Error& error) {
    if (stopped_ || channel_.get() != channel) return;
    Drop();
    const auto open = link_->connection();
    if (!open || !open->is_open()) return;
    Log(std::exchange(told_, true) ? LogLevel::kDebug : LogLevel::kInfo,
        "hears no events, and looks from time to time instead; rabbitmq_event_exchange has to be enabled, and the user "
        "needs read permission on the exchange",
        error, {{"exchange", kEventExchange}});
    timer_.expires_after(kAgain);
    timer_.async_wait([weak = weak_from_this()](boost::system::error_code fault) {
      const auto self = weak.lock();
      if (self && !fault) self->Subscribe();
    });
  }

  boost::asio::any_io_executor executor_;
  amqp::LinkOptions options_;
  const Hooks hooks_;
  boost::asio::steady_timer timer_;
  program::FailureLog failures_;
  bool stopped_ = false, told_ = false;
  std::shared_ptr<amqp::Channel> channel_;
  std::unique_ptr<amqp::Link> link_;
};

LookEvents::LookEvents(boost::asio::any_io_executor executor, amqp::LinkOptions link, Hooks hooks)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(link), std::move(hooks))) {}
LookEvents::~LookEvents() { impl_->Stop(); }
void LookEvents::Start() { impl_->Start(); }
void LookEvents::Stop() { impl_->Stop(); }

}  // namespace warren::gateway
