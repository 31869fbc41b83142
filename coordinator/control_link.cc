// See control_link.h. Steps of a subscription: exchange, queue, binding, consumer; the first that fails ends the
// attempt.
#include "coordinator/control_link.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <random>
#include <utility>

#include "coordinator/node_link.h"
#include "shardmgr/broker/amqp/bytes.h"
#include "shardmgr/model/assignment.h"

namespace warren::coordinator {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kCheckEvery{5'000};  // Whether the exchange and the binding are there still.
constexpr milliseconds kFirstPause{500}, kLongestPause{5'000};
constexpr milliseconds kRefusedPause{10'000};  // Each try is a line in the broker's log.
constexpr milliseconds kLongPause{30'000};     // Where others would have to do something first.
constexpr milliseconds kMutePause{60'000};
constexpr std::size_t kMostUnsentBytes = std::size_t{16} << 20;

/// The user may not send to inboxes. Calls that are refused name another resource.
bool IsMuting(const Error& error) { return IsDenied(error) && error.message.find("amq.default") != std::string::npos; }

/// Its own, so that the pattern of Warren's names lets it be declared: names that the broker makes up begin with amq.
std::string QueueName() {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::random_device random;
  std::string name = std::string(kControlExchange) + ".";
  for (int i = 0; i < 16; ++i) name += kDigits[random() % kDigits.size()];
  return name;
}

std::string_view Text(const amqp_basic_properties_t& properties, amqp_flags_t flag, const amqp_bytes_t& value) {
  return (properties._flags & flag) != 0 ? amqp::View(value) : std::string_view();
}

}  // namespace

class ControlLink::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(boost::asio::any_io_executor executor, ControlLinkOptions options, ControlLinkHandlers handlers)
      : executor_(executor),
        options_(std::move(options)),
        handlers_(std::move(handlers)),
        timer_(executor),
        link_(executor,
              {options_.credentials, options_.tls_ca_file, "warren-coordinator control", milliseconds(5'000),
               options_.vhost, kMaxControlBytes},
              {.on_up =
                   [this](const std::shared_ptr<amqp::Connection>&) {
                     queue_ = QueueName();  // The one of before may be there still, for the connection of before.
                     Subscribe();
                   },
               .on_down = [this](const amqp::Endpoint& endpoint, const Error& error,
                                 bool was_up) { Down(error.Within(endpoint.ToString()), was_up); },
               .on_blocked = {}}) {}

  void SetEndpoints(std::vector<amqp::Endpoint> endpoints) {
    endpoints_ = std::move(endpoints);
    if (!endpoints_.empty()) {  // Not every vhost's connection to the same node.
      const auto first = std::hash<std::string>()(options_.vhost) % endpoints_.size();
      std::rotate(endpoints_.begin(), endpoints_.begin() + static_cast<std::ptrdiff_t>(first), endpoints_.end());
    }
    if (!shut_out_) link_.SetEndpoints(endpoints_);
  }

  void Retry() {
    mute_until_ = {};
    if (hears_) return;
    may_declare_ = true;
    pause_ = kFirstPause;
    Again();
  }

  bool is_blocked() const {
    const auto connection = link_.connection();
    return connection && connection->is_blocked();
  }

  bool CanSend() const {
    const auto connection = link_.connection();
    return hears_ && connection && !connection->is_blocked() && connection->unsent_bytes() <= kMostUnsentBytes &&
           Clock::now() >= mute_until_;
  }

  bool Send(const std::string& inbox, std::string_view body) {
    if (!CanSend()) return false;
    has_sent_ = true;
    amqp_basic_properties_t properties{};
    properties._flags = AMQP_BASIC_TYPE_FLAG | AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG;
    properties.type = amqp::Bytes(kAssignmentType);
    properties.content_type = amqp::Bytes("application/json");
    properties.delivery_mode = 1;
    return channel_->Publish("", inbox, true, properties, body).has_value();
  }

  /// Nothing is called from now on.
  void Stop() {
    handlers_ = {};
    ++attempt_;
    timer_.cancel();
    DropChannel();
    link_.Stop();
  }

 private:
  /// An answer: `next` when it is a good one, the end of the attempt when it is not.
  template <class T = void>
  std::function<void(Result<T>)> OnAnswer(std::function<void()> next) {
    return [weak = weak_from_this(), attempt = attempt_, next = std::move(next)](const Result<T>& answer) {
      const auto self = weak.lock();
      if (!self || self->attempt_ != attempt) return;
      if (!answer) return self->Failed(answer.error());
      if (next) next();
    };
  }

  void Subscribe() {
    const auto connection = link_.connection();
    if (!connection) return;
    DropChannel();
    ++attempt_;
    channel_ = connection->OpenChannel();
    const auto weak = weak_from_this();
    channel_->SetHandlers(
        {.on_return =
             [weak](const amqp::Returned& returned) {
               const auto self = weak.lock();
               if (self && self->handlers_.on_returned) self->handlers_.on_returned(std::string(returned.routing_key));
             },
         .on_cancelled =
             [weak](std::string_view) {
               const auto self = weak.lock();
               if (self) self->Failed({ErrorCode::kUnavailable, "the broker deleted the coordinator's queue", {}});
             },
         .on_closed =
             [weak, attempt = attempt_](const Error& error) {
               if (const auto self = weak.lock()) self->Closed(attempt, error);
             }});
    if (!may_declare_) return DeclareQueue();
    DeclareExchange([weak = weak_from_this(), attempt = attempt_](const Result<void>& answer) {
      const auto self = weak.lock();
      if (!self || self->attempt_ != attempt) return;
      if (answer) return self->DeclareQueue();
      // Somebody else may have declared it, perhaps as another one than we would.
      if (!IsDenied(answer.error()) && answer.error().code != ErrorCode::kConflict) return self->Failed(answer.error());
      self->may_declare_ = false;
      self->Subscribe();
    });
  }

  void DeclareExchange(std::function<void(Result<void>)> done) {
    amqp::ExchangeDeclare exchange;
    exchange.name = kControlExchange;
    exchange.type = kControlExchangeType;
    exchange.durable = true;
    channel_->DeclareExchange(exchange, std::move(done));
  }

  void DeclareQueue() {
    amqp::QueueDeclare queue;
    queue.name = queue_;
    queue.exclusive = true;
    channel_->DeclareQueue(queue, OnAnswer<amqp::QueueDeclared>([this] { Bind([this] { Consume(); }); }));
  }

  void Bind(std::function<void()> next) {
    channel_->BindQueue(queue_, kControlExchange, kHelloKey, {}, OnAnswer(std::move(next)));
  }

  void Consume() {
    channel_->Consume(
        queue_, {}, true, true, {},
        [weak = weak_from_this()](const amqp::Delivery& delivery) {
          if (const auto self = weak.lock()) self->Deliver(delivery);
        },
        OnAnswer<std::string>([this] {
          pause_ = kFirstPause;
          hears_ = true;
          has_sent_ = false;
          told_.reset();
          Later(kCheckEvery);
          Tell(muted_);
        }));
  }

  void Deliver(const amqp::Delivery& delivery) {
    if (!handlers_.on_message) return;
    if (delivery.damaged()) return handlers_.on_message({{}, {}, {}, true});
    const auto& properties = delivery.properties;
    handlers_.on_message({Text(properties, AMQP_BASIC_TYPE_FLAG, properties.type),
                          Text(properties, AMQP_BASIC_REPLY_TO_FLAG, properties.reply_to), delivery.body});
  }

  /// When the connection went with it, that is told first, and the attempt is over.
  void Closed(std::uint64_t attempt, const Error& error) {
    boost::asio::post(executor_, [weak = weak_from_this(), attempt, error] {
      const auto self = weak.lock();
      if (self && self->attempt_ == attempt) self->Failed(error);
    });
  }

  void Failed(const Error& error) {
    if (IsMuting(error)) {
      muted_ = Explain(error);
      mute_until_ = Clock::now() + kMutePause;
    }
    Lost(error);
    Later(PauseAfter(error));
  }

  milliseconds PauseAfter(const Error& error) {
    if (IsMuting(error)) return kFirstPause;
    if (error.code == ErrorCode::kNotFound) {  // Nobody declared the exchange.
      may_declare_ = true;
      return kLongPause;
    }
    if (IsDenied(error)) return kRefusedPause;
    return std::exchange(pause_, std::min(pause_ * 2, kLongestPause));
  }

  void Down(const Error& error, bool was_up) {
    Lost(error);
    timer_.cancel();
    const bool refused = !was_up && (IsDenied(error) || error.code == ErrorCode::kNotFound);
    refusals_ = refused ? refusals_ + 1 : 0;
    if (refusals_ < std::max<std::size_t>(endpoints_.size(), 1)) return;
    refusals_ = 0;
    shut_out_ = true;
    Later(kRefusedPause);
    boost::asio::post(executor_, [weak = weak_from_this()] {  // Not from within: the link is calling.
      const auto self = weak.lock();
      if (self && self->shut_out_) self->link_.SetEndpoints({});
    });
  }

  void Lost(const Error& error) {
    ++attempt_;  // Answers that are still to come say the same.
    hears_ = false;
    DropChannel();
    if (std::exchange(told_, error.code) != error.code) Tell(Explain(error));
  }

  void Tell(const std::string& problem) {
    if (handlers_.on_state) handlers_.on_state(hears_, problem);
  }

  std::string Explain(const Error& error) const {
    const std::string where = "vhost '" + options_.vhost + "': ";
    if (!IsDenied(error)) return where + error.ToString();
    return where + "the coordinator's user may not use " + kControlExchange + " there (" + error.ToString() +
           "); give it configure '^warren\\.control', write '^(warren\\.control|amq\\.default$)' and read "
           "'^warren\\.control' in that vhost";
  }

  void Later(milliseconds pause) {
    timer_.expires_after(pause);
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (self && !error) self->Again();
    });
  }

  void Again() {
    if (std::exchange(shut_out_, false)) return link_.SetEndpoints(endpoints_);
    if (!hears_) return Subscribe();
    if (may_declare_) DeclareExchange(OnAnswer({}));
    Bind([this, proven = has_sent_] {
      if (proven && !std::exchange(muted_, {}).empty()) Tell({});
    });
    Later(kCheckEvery);
  }

  /// A channel must not go while it is calling us.
  void DropChannel() {
    if (channel_) boost::asio::post(executor_, [channel = std::move(channel_)] {});
    channel_ = nullptr;
  }

  const boost::asio::any_io_executor executor_;
  const ControlLinkOptions options_;
  ControlLinkHandlers handlers_;
  boost::asio::steady_timer timer_;
  NodeLink link_;
  std::vector<amqp::Endpoint> endpoints_;
  std::shared_ptr<amqp::Channel> channel_;
  std::string queue_;
  std::uint64_t attempt_ = 0;  ///< Answers to calls of earlier ones do not count.
  bool hears_ = false;
  bool may_declare_ = true;        ///< The exchange.
  bool shut_out_ = false;          ///< The user may not enter the vhost: the link rests.
  bool has_sent_ = false;          ///< Since it hears.
  std::size_t refusals_ = 0;       ///< Nodes that denied the vhost, one after the other.
  std::optional<ErrorCode> told_;  ///< Of the problem that was told last: other nodes say the same in other words.
  std::string muted_;              ///< Why it may not send, until a message is let through; empty: it may.
  Clock::time_point mute_until_{};
  milliseconds pause_{kFirstPause};
};

ControlLink::ControlLink(boost::asio::any_io_executor executor, ControlLinkOptions options,
                         ControlLinkHandlers handlers)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(options), std::move(handlers))) {}
ControlLink::~ControlLink() { impl_->Stop(); }
void ControlLink::SetEndpoints(std::vector<amqp::Endpoint> endpoints) { impl_->SetEndpoints(std::move(endpoints)); }
bool ControlLink::is_blocked() const { return impl_->is_blocked(); }
void ControlLink::Retry() { impl_->Retry(); }
bool ControlLink::CanSend() const { return impl_->CanSend(); }
bool ControlLink::Send(const std::string& inbox, std::string_view body) { return impl_->Send(inbox, body); }

}  // namespace warren::coordinator
