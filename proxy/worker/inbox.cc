// Declaring, consuming and reading the inbox.
#include "proxy/worker/inbox.h"

#include <utility>

#include "proxy/wire/control.h"
#include "shardmgr/broker/amqp/bytes.h"
#include "shardmgr/model/assignment.h"

namespace warren::worker {

std::shared_ptr<Inbox> Inbox::Open(const std::shared_ptr<amqp::Connection>& connection, Hooks hooks,
                                   std::function<void(Result<std::string>)> done, std::shared_ptr<std::string> name) {
  if (!name) name = std::make_shared<std::string>();
  const std::shared_ptr<Inbox> inbox(new Inbox(connection, std::move(hooks), std::move(name)));
  const std::weak_ptr<Inbox> weak = inbox;
  amqp::ChannelHandlers handlers;
  handlers.on_closed = [weak](const Error&) {
    if (const auto self = weak.lock()) self->OnLost();
  };
  handlers.on_cancelled = [weak](std::string_view) {
    const auto self = weak.lock();
    if (!self) return;
    self->channel_->Close();
    self->OnLost();
  };
  inbox->channel_->SetHandlers(std::move(handlers));
  amqp::QueueDeclare queue;
  queue.exclusive = true;
  queue.auto_delete = true;
  inbox->channel_->DeclareQueue(queue, [weak, done = std::move(done)](Result<amqp::QueueDeclared> declared) {
    const auto self = weak.lock();
    if (!self) return;
    if (!declared) return done(tl::unexpected(std::move(declared.error())));
    self->Consume(declared->name, done);
  });
  return inbox;
}

void Inbox::Consume(const std::string& queue, std::function<void(Result<std::string>)> done) {
  const auto weak = weak_from_this();
  channel_->Consume(
      queue, "", true, true, {},
      [weak](amqp::Delivery& delivery) {
        if (const auto self = weak.lock()) self->OnDelivery(delivery);
      },
      [weak, queue, done = std::move(done)](Result<std::string> consuming) {
        const auto self = weak.lock();
        if (!self) return;
        if (!consuming) return done(tl::unexpected(std::move(consuming.error())));
        *self->name_ = queue;
        done(queue);
      });
}

void Inbox::OnLost() {
  if (name_->empty()) return;
  name_->clear();
  if (connection_->is_open() && hooks_.on_lost) hooks_.on_lost();
}

void Inbox::OnDelivery(const amqp::Delivery& delivery) const {
  if (delivery.damaged()) return;
  const amqp_basic_properties_t& properties = delivery.properties;
  if ((properties._flags & AMQP_BASIC_TYPE_FLAG) != 0 && amqp::View(properties.type) == kAssignmentType) {
    hooks_.on_assignment(delivery.body);
  } else if (const auto grant = wire::ReadGrant(delivery.properties)) {
    hooks_.on_grant(grant->correlation_id, grant->attempt);
  } else if (const auto cancel = wire::ReadCancel(delivery.properties)) {
    hooks_.on_cancel(cancel->correlation_id, cancel->attempt);
  }
}

}  // namespace warren::worker
