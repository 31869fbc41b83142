// Declaring, publishing and timing for assignment_client.h.
#include "proxy/control/assignment_client.h"

#include <utility>

#include "shardmgr/program/logging.h"

namespace warren::control {
namespace {

using program::Log;
using program::LogLevel;
using Clock = std::chrono::steady_clock;

constexpr std::uint8_t kNonPersistent = 1;

}  // namespace

std::shared_ptr<AssignmentClient> AssignmentClient::Start(boost::asio::any_io_executor executor,
                                                          std::shared_ptr<amqp::Connection> connection,
                                                          std::string inbox, Consumer consumer, AssignmentHooks hooks) {
  const std::shared_ptr<AssignmentClient> client(new AssignmentClient(
      std::move(executor), std::move(connection), std::move(inbox), std::move(consumer), std::move(hooks)));
  client->Advance();
  return client;
}

AssignmentClient::AssignmentClient(boost::asio::any_io_executor executor, std::shared_ptr<amqp::Connection> connection,
                                   std::string inbox, Consumer consumer, AssignmentHooks hooks)
    : connection_(std::move(connection)),
      inbox_(std::move(inbox)),
      consumer_(std::move(consumer)),
      hooks_(std::move(hooks)),
      timer_(std::move(executor)),
      dialogue_(Clock::now()) {}

void AssignmentClient::Open() {
  channel_ = connection_->OpenChannel();
  const auto weak = weak_from_this();
  amqp::ChannelHandlers handlers;
  handlers.on_return = [weak](amqp::Returned&) {
    const auto self = weak.lock();
    if (!self) return;
    self->dialogue_.OnReturned();
    self->Advance();
  };
  handlers.on_closed = [weak, channel = channel_.get()](const Error& error) {
    const auto self = weak.lock();
    if (self && self->channel_.get() == channel) self->OnClosed(error);
  };
  channel_->SetHandlers(std::move(handlers));
  if (!may_declare_) return;
  declaring_ = true;
  channel_->DeclareExchange({.name = kControlExchange, .type = kControlExchangeType, .durable = true},
                            [weak](Result<void> declared) {
                              const auto self = weak.lock();
                              if (self && declared) self->declaring_ = false;
                            });
}

// An exchange that may not be declared, or is there with other properties, is used as it is.
void AssignmentClient::OnClosed(const Error& error) {
  channel_ = nullptr;
  if (!connection_->is_open()) return;  // The owner hears of that, and drops this.
  if (std::exchange(declaring_, false)) {
    may_declare_ = false;
    return Say(kHelloType);
  }
  const bool may_declare = std::exchange(may_declare_, true);  // The next hello tries it again.
  if (error.code == ErrorCode::kNotFound && may_declare && !std::exchange(declared_again_, true)) {
    return Say(kHelloType);
  }
  const char* what = error.code == ErrorCode::kForbidden
                         ? "cannot ask coordinators what to consume; it needs write permission on the exchange"
                         : "cannot ask coordinators what to consume";
  Log(told_refusal_ ? LogLevel::kDebug : LogLevel::kWarning, what, error, {{"exchange", kControlExchange}});
  told_refusal_ = true;
  dialogue_.OnRefused(Clock::now());
  Advance();
}

void AssignmentClient::Advance() {
  if (connection_->is_blocked()) dialogue_.OnBlocked(Clock::now());
  const Dialogue::Due due = dialogue_.Advance(Clock::now());
  if (due.hello) {
    declared_again_ = false;
    Say(kHelloType);
  }
  Arm();
  if (due.fell_silent) hooks_.on_silent();
}

void AssignmentClient::Arm() {
  timer_.expires_at(dialogue_.next());
  timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (self && !error) self->Advance();
  });
}

// Under an alarm the broker reads nothing from a connection that publishes, so nothing is said then.
void AssignmentClient::Say(std::string_view type) {
  if (connection_->is_blocked()) return;
  if (!channel_ || !channel_->is_open()) Open();
  const std::string body =
      Encode(Hello{consumer_.exchange, consumer_.instance, consumer_.kind, hooks_.holds(), dialogue_.term()});
  amqp_basic_properties_t properties{};
  properties._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_REPLY_TO_FLAG |
                      AMQP_BASIC_TYPE_FLAG | AMQP_BASIC_APP_ID_FLAG;
  properties.content_type = amqp::Bytes("application/json");
  properties.delivery_mode = kNonPersistent;
  properties.reply_to = amqp::Bytes(inbox_);
  properties.type = amqp::Bytes(type);
  properties.app_id = amqp::Bytes("warren");
  (void)channel_->Publish(kControlExchange, kHelloKey, true, properties, body);
}

void AssignmentClient::Receive(std::string_view body) {
  const Result<Assignment> assignment = ReadAssignment(body);
  if (!assignment) return OnBadAssignment(assignment.error());
  if (assignment->exchange != consumer_.exchange || assignment->instance != consumer_.instance) {
    return OnBadAssignment({ErrorCode::kInvalid, "it is for " + assignment->instance + " of " + assignment->exchange,
                            std::string(kAssignmentType)});
  }
  if (!dialogue_.OnAssignment(assignment->number, Clock::now())) return;
  told_refusal_ = told_fault_ = false;
  hooks_.on_assignment(*assignment);
}

void AssignmentClient::OnBadAssignment(const Error& error) {
  Log(told_fault_ ? LogLevel::kDebug : LogLevel::kWarning, "left an assignment aside", error);
  told_fault_ = true;
}

void AssignmentClient::Hurry() {
  dialogue_.Hurry();
  Arm();
}

void AssignmentClient::SayBye() {
  timer_.cancel();
  Say(kByeType);
}

}  // namespace warren::control
