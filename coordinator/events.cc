// See events.h. Steps of a subscription: declare, bind with each key, consume; the first that fails ends it.
// A subscription is an attempt with a number: what comes of an earlier one does not count any more.
#include "coordinator/events.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <iterator>
#include <mutex>

#include "coordinator/node_link.h"

namespace warren::coordinator {
namespace {

constexpr std::chrono::milliseconds kFirstPause{500};

/// The answer without its value.
template <class T>
std::function<void(Result<T>)> Plain(std::function<void(const Result<void>&)> done) {
  return [done = std::move(done)](const Result<T>& answer) {
    done(answer ? Result<void>{} : tl::unexpected(answer.error()));
  };
}

std::string Explain(const Error& error) {
  if (error.code == ErrorCode::kNotFound)
    return "there is no exchange amq.rabbitmq.event in vhost '/'; the plugin rabbitmq_event_exchange makes it";
  if (error.code == ErrorCode::kForbidden)
    return "the coordinator's user may not listen to amq.rabbitmq.event in vhost '/': " + error.message;
  return error.ToString();
}

}  // namespace

class EventSource::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(boost::asio::any_io_executor executor, EventSourceOptions options, EventHandlers handlers)
      : executor_(executor),
        options_(std::move(options)),
        handlers_(std::move(handlers)),
        timer_(executor),
        link_(executor, {options_.credentials, options_.tls_ca_file, "warren-coordinator events", options_.check_every},
              {.on_up = [this](const std::shared_ptr<amqp::Connection>&) { Subscribe(); },
               .on_down = [this](const amqp::Endpoint& endpoint, const Error& error,
                                 bool) { Lost(Cause::kConnection, error.Within(endpoint.ToString()).ToString()); },
               .on_blocked = {}}) {}

  const boost::asio::any_io_executor& executor() const { return executor_; }

  void SetEndpoints(std::vector<amqp::Endpoint> endpoints) { link_.SetEndpoints(std::move(endpoints)); }

  EventStatus status() const {
    const std::lock_guard lock(mutex_);
    return status_;
  }

 private:
  enum class Cause { kNone, kConnection, kSubscription };

  /// An answer: `next` when it is a good one, the end of the attempt when it is not.
  std::function<void(const Result<void>&)> OnAnswer(std::function<void()> next) {
    return [weak = weak_from_this(), attempt = attempt_, next = std::move(next)](const Result<void>& answer) {
      const auto self = weak.lock();
      if (!self || self->attempt_ != attempt) return;
      if (!answer) return self->Lost(Cause::kSubscription, Explain(answer.error()));
      if (next) next();
    };
  }

  void Subscribe() {
    const auto connection = link_.connection();
    if (!connection) return;
    ++attempt_;
    channel_ = connection->OpenChannel();
    channel_->SetHandlers(
        {.on_cancelled = [this](std::string_view) { Lost(Cause::kSubscription, "the broker deleted the queue"); },
         .on_closed = [this, attempt = attempt_](const Error& error) { Closed(attempt, error); }});
    amqp::QueueDeclare queue;
    queue.exclusive = queue.auto_delete = true;
    channel_->DeclareQueue(queue, Plain<amqp::QueueDeclared>(OnAnswer([this] { BindFirst(); })));
    CheckLater(pause_);
    pause_ = std::min(pause_ * 2, options_.check_every);
  }

  /// One step at a time so far: the broker logs each call that cannot be.
  void BindFirst() {
    channel_->BindQueue({}, kEventExchange, kEventKeys[0], {}, OnAnswer([this] {
                          BindAll();
                          Consume();
                        }));
  }

  void Consume() {
    channel_->Consume(
        {}, {}, true, true, {}, [this](const amqp::Delivery& delivery) { Deliver(delivery); },
        Plain<std::string>(OnAnswer([this] { Subscribed(); })));
  }

  void Subscribed() {
    pause_ = kFirstPause;
    CheckLater(options_.check_every);
    Tell(Cause::kNone, {});
  }

  void Deliver(const amqp::Delivery& delivery) {
    if (delivery.damaged() || (delivery.properties._flags & AMQP_BASIC_HEADERS_FLAG) == 0) return;
    const auto event = ParseClusterEvent(delivery.routing_key, delivery.properties.headers);
    if (!event) return;
    {
      const std::lock_guard lock(mutex_);
      ++status_.received;
    }
    handlers_.on_event(*event);
  }

  /// The queue that the channel declared last, with each key.
  void BindAll() {
    for (const char* key : kEventKeys) channel_->BindQueue({}, kEventExchange, key, {}, OnAnswer({}));
  }

  /// When the connection went with it, that is told first, and the attempt is over.
  void Closed(std::uint64_t attempt, const Error& error) {
    boost::asio::post(executor_, [self = shared_from_this(), attempt, why = Explain(error)] {
      if (self->attempt_ == attempt) self->Lost(Cause::kSubscription, why);
    });
  }

  void CheckLater(std::chrono::milliseconds pause) {
    timer_.expires_after(pause);
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (self && !error) self->Check();
    });
  }

  /// Binds once more, which fails when the exchange is gone; subscribes again when that failed.
  void Check() {
    if (!channel_ || !channel_->is_open()) return Subscribe();
    if (status().connected) BindAll();
    CheckLater(options_.check_every);
  }

  void Lost(Cause cause, std::string reason) {
    ++attempt_;  // Answers that are still to come say the same.
    // A channel must not go while it is calling us.
    boost::asio::post(executor_, [channel = std::move(channel_)] {});
    channel_ = nullptr;
    if (cause == Cause::kSubscription) CheckLater(pause_);
    Tell(cause, std::move(reason));
  }

  /// The reason is always the last one; it is told of when its cause is another than before.
  void Tell(Cause cause, std::string reason) {
    EventStatus now;
    {
      const std::lock_guard lock(mutex_);
      status_.connected = cause == Cause::kNone;
      status_.reason = std::move(reason);
      now = status_;
    }
    const bool changed = std::exchange(cause_, cause) != cause;
    const bool first = !std::exchange(told_, true);
    if (changed || first) handlers_.on_status(now);
  }

  boost::asio::any_io_executor executor_;
  const EventSourceOptions options_;
  const EventHandlers handlers_;
  boost::asio::steady_timer timer_;
  NodeLink link_;
  std::shared_ptr<amqp::Channel> channel_;
  std::uint64_t attempt_ = 0;
  std::chrono::milliseconds pause_{kFirstPause};  ///< Before a subscription that failed is tried again.
  Cause cause_ = Cause::kConnection;
  bool told_ = false;
  mutable std::mutex mutex_;
  EventStatus status_;
};

EventSource::EventSource(boost::asio::any_io_executor executor, EventSourceOptions options, EventHandlers handlers)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(options), std::move(handlers))) {}
EventSource::~EventSource() = default;

void EventSource::SetEndpoints(std::vector<amqp::Endpoint> endpoints) {
  boost::asio::post(impl_->executor(), [impl = impl_, endpoints = std::move(endpoints)]() mutable {
    impl->SetEndpoints(std::move(endpoints));
  });
}

EventStatus EventSource::status() const { return impl_->status(); }

}  // namespace warren::coordinator
