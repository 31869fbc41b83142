// Declaring, consuming and reading the inbox.
#include "proxy/worker/inbox.h"

#include <utility>

#include "proxy/wire/control.h"

namespace warren::worker {

std::shared_ptr<Inbox> Inbox::Open(const std::shared_ptr<amqp::Connection>& connection, Hooks hooks,
                                   std::function<void(Result<std::string>)> done, std::shared_ptr<std::string> name) {
  if (!name) name = std::make_shared<std::string>();
  const std::shared_ptr<Inbox> inbox(new Inbox(connection->OpenChannel(), std::move(hooks), std::move(name)));
  const std::weak_ptr<Inbox> weak = inbox;
  amqp::ChannelHandlers handlers;
  handlers.on_closed = [weak](const Error&) {
    if (const auto self = weak.lock()) self->name_->clear();
  };
  handlers.on_cancelled = [weak](std::string_view) {
    const auto self = weak.lock();
    if (!self) return;
    self->name_->clear();
    self->channel_->Close();
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

void Inbox::OnDelivery(const amqp::Delivery& delivery) const {
  if (delivery.damaged()) return;
  if (const auto grant = wire::ReadGrant(delivery.properties)) {
    hooks_.on_grant(grant->correlation_id, grant->attempt);
  } else if (const auto cancel = wire::ReadCancel(delivery.properties)) {
    hooks_.on_cancel(cancel->correlation_id, cancel->attempt);
  }
}

}  // namespace warren::worker
