// The public Channel: each call fills the method's struct and says which answer to wait for.
// Bits and defaults as in the AMQP 0-9-1 reference, section 1.2 to 1.8.
#include <utility>

#include "shardmgr/broker/amqp/channel_state.h"
#include "shardmgr/broker/amqp/connection.h"

namespace warren::amqp {
namespace {

// An answer that says nothing but "done".
ChannelState::OnReply Plain(Channel::Done<void> done) {
  return [done = std::move(done)](Result<Method> reply) {
    if (!done) return;
    if (reply) {
      done({});
    } else {
      done(tl::unexpected(std::move(reply.error())));
    }
  };
}

// An answer from which `read` takes a value.
template <class T, class Read>
ChannelState::OnReply Valued(Channel::Done<T> done, Read read) {
  return [done = std::move(done), read](Result<Method> reply) {
    if (!done) return;
    if (reply) {
      done(read(*reply));
    } else {
      done(tl::unexpected(std::move(reply.error())));
    }
  };
}

}  // namespace

Channel::Channel(std::shared_ptr<ConnectionImpl> impl, std::shared_ptr<ChannelState> state)
    : impl_(std::move(impl)), state_(std::move(state)) {}

Channel::~Channel() { state_->Abandon(); }

void Channel::SetHandlers(ChannelHandlers handlers) { state_->SetHandlers(std::move(handlers)); }

void Channel::DeclareQueue(const QueueDeclare& queue, Done<QueueDeclared> done) {
  amqp_queue_declare_t method{
      0,     Bytes(queue.name),     queue.passive, queue.durable, queue.exclusive, queue.auto_delete,
      false, queue.arguments.view()};
  state_->Call(
      AMQP_QUEUE_DECLARE_METHOD, &method, AMQP_QUEUE_DECLARE_OK_METHOD,
      Valued<QueueDeclared>(std::move(done),
                            [](const Method& reply) {
                              const auto& ok = reply.As<amqp_queue_declare_ok_t>();
                              return QueueDeclared{std::string(View(ok.queue)), ok.message_count, ok.consumer_count};
                            }),
      NamesFit({queue.name}, method.arguments));
}

void Channel::DeleteQueue(const std::string& queue, bool if_unused, bool if_empty, Done<std::uint32_t> done) {
  amqp_queue_delete_t method{0, Bytes(queue), if_unused, if_empty, false};
  state_->Call(
      AMQP_QUEUE_DELETE_METHOD, &method, AMQP_QUEUE_DELETE_OK_METHOD,
      Valued<std::uint32_t>(std::move(done),
                            [](const Method& reply) { return reply.As<amqp_queue_delete_ok_t>().message_count; }),
      NamesFit({queue}, amqp_empty_table));
}

void Channel::PurgeQueue(const std::string& queue, Done<std::uint32_t> done) {
  amqp_queue_purge_t method{0, Bytes(queue), false};
  state_->Call(
      AMQP_QUEUE_PURGE_METHOD, &method, AMQP_QUEUE_PURGE_OK_METHOD,
      Valued<std::uint32_t>(std::move(done),
                            [](const Method& reply) { return reply.As<amqp_queue_purge_ok_t>().message_count; }),
      NamesFit({queue}, amqp_empty_table));
}

void Channel::BindQueue(const std::string& queue, const std::string& exchange, const std::string& routing_key,
                        const Table& arguments, Done<void> done) {
  amqp_queue_bind_t method{0, Bytes(queue), Bytes(exchange), Bytes(routing_key), false, arguments.view()};
  state_->Call(AMQP_QUEUE_BIND_METHOD, &method, AMQP_QUEUE_BIND_OK_METHOD, Plain(std::move(done)),
               NamesFit({queue, exchange, routing_key}, method.arguments));
}

void Channel::UnbindQueue(const std::string& queue, const std::string& exchange, const std::string& routing_key,
                          const Table& arguments, Done<void> done) {
  amqp_queue_unbind_t method{0, Bytes(queue), Bytes(exchange), Bytes(routing_key), arguments.view()};
  state_->Call(AMQP_QUEUE_UNBIND_METHOD, &method, AMQP_QUEUE_UNBIND_OK_METHOD, Plain(std::move(done)),
               NamesFit({queue, exchange, routing_key}, method.arguments));
}

void Channel::BindExchange(const std::string& destination, const std::string& source, const std::string& routing_key,
                           const Table& arguments, Done<void> done) {
  amqp_exchange_bind_t method{0, Bytes(destination), Bytes(source), Bytes(routing_key), false, arguments.view()};
  state_->Call(AMQP_EXCHANGE_BIND_METHOD, &method, AMQP_EXCHANGE_BIND_OK_METHOD, Plain(std::move(done)),
               NamesFit({destination, source, routing_key}, method.arguments));
}

void Channel::UnbindExchange(const std::string& destination, const std::string& source, const std::string& routing_key,
                             const Table& arguments, Done<void> done) {
  amqp_exchange_unbind_t method{0, Bytes(destination), Bytes(source), Bytes(routing_key), false, arguments.view()};
  state_->Call(AMQP_EXCHANGE_UNBIND_METHOD, &method, AMQP_EXCHANGE_UNBIND_OK_METHOD, Plain(std::move(done)),
               NamesFit({destination, source, routing_key}, method.arguments));
}

void Channel::DeclareExchange(const ExchangeDeclare& exchange, Done<void> done) {
  amqp_exchange_declare_t method{0,
                                 Bytes(exchange.name),
                                 Bytes(exchange.type),
                                 exchange.passive,
                                 exchange.durable,
                                 exchange.auto_delete,
                                 exchange.internal,
                                 false,
                                 exchange.arguments.view()};
  state_->Call(AMQP_EXCHANGE_DECLARE_METHOD, &method, AMQP_EXCHANGE_DECLARE_OK_METHOD, Plain(std::move(done)),
               NamesFit({exchange.name, exchange.type}, method.arguments));
}

void Channel::DeleteExchange(const std::string& exchange, bool if_unused, Done<void> done) {
  amqp_exchange_delete_t method{0, Bytes(exchange), if_unused, false};
  state_->Call(AMQP_EXCHANGE_DELETE_METHOD, &method, AMQP_EXCHANGE_DELETE_OK_METHOD, Plain(std::move(done)),
               NamesFit({exchange}, amqp_empty_table));
}

void Channel::Qos(std::uint16_t prefetch, bool global, Done<void> done) {
  amqp_basic_qos_t method{0, prefetch, global};
  state_->Call(AMQP_BASIC_QOS_METHOD, &method, AMQP_BASIC_QOS_OK_METHOD, Plain(std::move(done)));
}

void Channel::Consume(const std::string& queue, const std::string& consumer_tag, bool no_ack, bool exclusive,
                      const Table& arguments, OnDelivery on_delivery, Done<std::string> done) {
  amqp_basic_consume_t method{0, Bytes(queue), Bytes(consumer_tag), false, no_ack, exclusive, false, arguments.view()};
  // The consumer is known before the first delivery, which may follow consume-ok in the same read.
  auto on_ok = [state = state_.get(), on_delivery = std::move(on_delivery)](const Method& reply) mutable {
    std::string tag(View(reply.As<amqp_basic_consume_ok_t>().consumer_tag));
    state->AddConsumer(tag, std::move(on_delivery));
    return tag;
  };
  state_->Call(
      AMQP_BASIC_CONSUME_METHOD, &method, AMQP_BASIC_CONSUME_OK_METHOD,
      [done = std::move(done), on_ok = std::move(on_ok)](Result<Method> reply) mutable {
        Result<std::string> tag =
            reply ? Result<std::string>(on_ok(*reply)) : Result<std::string>(tl::unexpected(std::move(reply.error())));
        if (done) done(std::move(tag));
      },
      NamesFit({queue, consumer_tag}, method.arguments));
}

void Channel::Cancel(const std::string& consumer_tag, Done<void> done) {
  amqp_basic_cancel_t method{Bytes(consumer_tag), false};
  state_->Call(
      AMQP_BASIC_CANCEL_METHOD, &method, AMQP_BASIC_CANCEL_OK_METHOD,
      [state = state_.get(), consumer_tag, done = Plain(std::move(done))](Result<Method> reply) {
        // Until cancel-ok deliveries go on, and belong to the consumer.
        if (reply) state->RemoveConsumer(consumer_tag);
        done(std::move(reply));
      },
      NamesFit({consumer_tag}, amqp_empty_table));
}

void Channel::SelectConfirms(Done<void> done) {
  amqp_confirm_select_t method{false};
  state_->StartConfirms();  // What is published behind confirm.select is counted, answered or not.
  state_->Call(AMQP_CONFIRM_SELECT_METHOD, &method, AMQP_CONFIRM_SELECT_OK_METHOD, Plain(std::move(done)));
}

Result<std::uint64_t> Channel::Publish(std::string_view exchange, std::string_view routing_key, bool mandatory,
                                       const amqp_basic_properties_t& properties, std::string_view body) {
  amqp_basic_publish_t method{0, Bytes(exchange), Bytes(routing_key), mandatory, false};
  return state_->Publish(method, properties, body);
}

void Channel::Ack(std::uint64_t delivery_tag, bool multiple) {
  amqp_basic_ack_t method{delivery_tag, multiple};
  (void)state_->Send(AMQP_BASIC_ACK_METHOD, &method);
}

void Channel::Nack(std::uint64_t delivery_tag, bool multiple, bool requeue) {
  amqp_basic_nack_t method{delivery_tag, multiple, requeue};
  (void)state_->Send(AMQP_BASIC_NACK_METHOD, &method);
}

void Channel::Reject(std::uint64_t delivery_tag, bool requeue) {
  amqp_basic_reject_t method{delivery_tag, requeue};
  (void)state_->Send(AMQP_BASIC_REJECT_METHOD, &method);
}

void Channel::Close() { state_->Close(); }

bool Channel::is_open() const { return state_->is_open(); }

}  // namespace warren::amqp
