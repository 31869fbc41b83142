// The bare AMQP loop: what Warren's data plane would cost without HTTP. Two processes, as proxy and worker are two, on
// the same AMQP client and with the same semantics: mandatory publishing in confirm mode to a consistent-hash exchange,
// manual acks, replies to an exclusive queue, publishing and consuming on connections of their own, writes coalesced.
//
//   amqp_loop respond --node HOST:PORT --queue NAME… [--body-bytes 512] [--prefetch 256]
//   amqp_loop request --node HOST:PORT --exchange NAME [--in-flight 32] [--body-bytes 256] [--reply-bytes 512]
//     [--warm-up 1] [--seconds 8] [--watch NAME=PID,PID…]… [--count NAME=FILE]…
//
// The first prints "ready" once it consumes; the second keeps --in-flight requests under way, prints one line of JSON
// (measure.h), and exits with 2 when there were errors.
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <iostream>

#include "shardmgr/broker/amqp/connection.h"
#include "tests/bench/measure.h"

namespace warren::bench {
namespace {

constexpr std::chrono::milliseconds kTick{10};
constexpr std::chrono::seconds kSilence{15};

amqp_bytes_t Bytes(std::string_view text) {
  return {text.size(), const_cast<char*>(text.data())};  // NOLINT: rabbitmq-c's structs are not const.
}

std::string_view Text(const amqp_bytes_t& bytes) { return {static_cast<const char*>(bytes.bytes), bytes.len}; }

std::shared_ptr<amqp::Connection> Open(boost::asio::io_context& io, const amqp::Endpoint& node, const char* name,
                                       std::function<void()> on_open) {
  amqp::ConnectionOptions options;
  options.endpoint = node;
  options.name = std::string("bare loop ") + name;
  return amqp::Connection::Open(io.get_executor(), options,
                                {std::move(on_open), [](const Error& error) { Die(error.ToString()); }, {}});
}

amqp::ChannelHandlers DieWhenClosed() {
  amqp::ChannelHandlers handlers;
  handlers.on_closed = [](const Error& error) { Die(error.ToString()); };
  return handlers;
}

/// Answers every message of some queues; one channel a queue, on which it consumes, answers and acks.
class Responder {
 public:
  Responder(boost::asio::io_context& io, const amqp::Endpoint& node, const std::vector<std::string>& queues,
            std::uint16_t prefetch, std::size_t body_bytes)
      : body_(body_bytes, 'b'), waiting_(queues.size()) {
    connection_ = Open(io, node, "respond", [this, queues, prefetch] {
      for (const auto& queue : queues) Consume(queue, prefetch);
    });
  }

 private:
  void Consume(const std::string& queue, std::uint16_t prefetch) {
    channels_.push_back(connection_->OpenChannel());
    auto* channel = channels_.back().get();
    channel->SetHandlers(DieWhenClosed());
    channel->Qos(prefetch, false, [](Result<void>) {});
    channel->Consume(
        queue, "", false, false, {}, [this, channel](amqp::Delivery& delivery) { Answer(*channel, delivery); },
        [this](Result<std::string> done) {
          if (!done) Die(done.error().ToString());
          if (--waiting_ == 0) std::cout << "ready" << std::endl;
        });
  }

  void Answer(amqp::Channel& channel, const amqp::Delivery& delivery) {
    amqp_basic_properties_t properties{};
    properties._flags = AMQP_BASIC_CORRELATION_ID_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG;
    properties.correlation_id = delivery.properties.correlation_id;
    properties.delivery_mode = 1;
    (void)channel.Publish("", Text(delivery.properties.reply_to), false, properties, body_);
    channel.Ack(delivery.delivery_tag);
  }

  std::shared_ptr<amqp::Connection> connection_;
  std::vector<std::shared_ptr<amqp::Channel>> channels_;
  const std::string body_;
  std::size_t waiting_;
};

struct RequestOptions {
  amqp::Endpoint node;
  std::string exchange;
  std::size_t in_flight = 32, body_bytes = 256, reply_bytes = 512;
};

/// Keeps a number of requests under way: the next goes out when an answer has come.
class Requester {
 public:
  Requester(boost::asio::io_context& io, const RequestOptions& options, Measurement& measurement)
      : io_(io),
        options_(options),
        measurement_(measurement),
        body_(options.body_bytes, 'a'),
        started_(options.in_flight),
        timer_(io) {
    publisher_ = Open(io, options.node, "publish", [this] { OpenPublisher(); });
  }

  std::uint64_t errors() const { return errors_ + nacked_; }
  std::uint64_t confirmed() const { return confirmed_; }

 private:
  void OpenPublisher() {
    publishing_ = publisher_->OpenChannel();
    auto handlers = DieWhenClosed();
    handlers.on_confirm = [this](std::uint64_t, bool acked) { ++(acked ? confirmed_ : nacked_); };
    handlers.on_return = [](amqp::Returned&) { Die("a message was returned: no queue is bound to the exchange"); };
    publishing_->SetHandlers(std::move(handlers));
    publishing_->SelectConfirms([this](Result<void> done) {
      if (!done) Die(done.error().ToString());
      consumer_ = Open(io_, options_.node, "consume", [this] { DeclareReplies(); });
    });
  }

  void DeclareReplies() {
    consuming_ = consumer_->OpenChannel();
    consuming_->SetHandlers(DieWhenClosed());
    amqp::QueueDeclare queue;
    queue.exclusive = true;
    queue.auto_delete = true;
    consuming_->DeclareQueue(queue, [this](Result<amqp::QueueDeclared> declared) {
      if (!declared) Die(declared.error().ToString());
      reply_to_ = declared->name;
      consuming_->Consume(
          reply_to_, "", /*no_ack=*/true, /*exclusive=*/true, {},
          [this](amqp::Delivery& delivery) { OnReply(delivery); },
          [this](Result<std::string> done) {
            if (!done) Die(done.error().ToString());
            for (std::size_t slot = 0; slot < options_.in_flight; ++slot) Send(slot);
            Tick();
          });
    });
  }

  void Send(std::size_t slot) {
    const std::string correlation = std::to_string(slot);
    const std::string key = std::to_string(random_.Next());
    amqp_basic_properties_t properties{};
    properties._flags = AMQP_BASIC_CORRELATION_ID_FLAG | AMQP_BASIC_REPLY_TO_FLAG | AMQP_BASIC_EXPIRATION_FLAG |
                        AMQP_BASIC_DELIVERY_MODE_FLAG;
    properties.correlation_id = Bytes(correlation);
    properties.reply_to = Bytes(reply_to_);
    properties.expiration = Bytes("30000");
    properties.delivery_mode = 1;
    started_[slot] = Clock::now();
    const auto sent = publishing_->Publish(options_.exchange, key, true, properties, body_);
    if (!sent) Die(sent.error().ToString());
  }

  void OnReply(const amqp::Delivery& delivery) {
    const auto slot = std::stoul(std::string(Text(delivery.properties.correlation_id)));
    last_ = Clock::now();
    if (delivery.body.size() == options_.reply_bytes) {
      measurement_.Count(started_.at(slot), last_);
    } else {
      ++errors_;
      measurement_.CountError("a body of " + std::to_string(delivery.body.size()) + " bytes");
    }
    Send(slot);
  }

  void Tick() {
    const auto now = Clock::now();
    if (!measurement_.Advance(now)) return io_.stop();
    if (last_ != Clock::time_point() && now - last_ > kSilence) Die("no answer for a long time");
    timer_.expires_after(kTick);
    timer_.async_wait([this](const boost::system::error_code& error) {
      if (!error) Tick();
    });
  }

  boost::asio::io_context& io_;
  const RequestOptions& options_;
  Measurement& measurement_;
  const std::string body_;
  std::vector<Clock::time_point> started_;
  std::shared_ptr<amqp::Connection> publisher_, consumer_;
  std::shared_ptr<amqp::Channel> publishing_, consuming_;
  boost::asio::steady_timer timer_;
  std::string reply_to_;
  Random random_;
  Clock::time_point last_;
  std::uint64_t confirmed_ = 0, nacked_ = 0, errors_ = 0;
};

amqp::Endpoint Node(Arguments& arguments) {
  const auto node = amqp::ParseEndpoint(arguments.Required("node"));
  if (!node) Die(node.error().ToString());
  return *node;
}

int Respond(Arguments arguments) {
  const auto node = Node(arguments);
  const auto queues = arguments.All("queue");
  const auto prefetch = static_cast<std::uint16_t>(arguments.Number("prefetch", 256));
  const auto body_bytes = static_cast<std::size_t>(arguments.Number("body-bytes", 512));
  arguments.RefuseUnknown();
  boost::asio::io_context io(1);
  const Responder responder(io, node, queues, prefetch, body_bytes);
  io.run();
  return 0;
}

int Request(Arguments arguments) {
  RequestOptions options;
  options.node = Node(arguments);
  options.exchange = arguments.Required("exchange");
  options.in_flight = static_cast<std::size_t>(arguments.Number("in-flight", 32));
  options.body_bytes = static_cast<std::size_t>(arguments.Number("body-bytes", 256));
  options.reply_bytes = static_cast<std::size_t>(arguments.Number("reply-bytes", 512));
  const double warm_up_s = arguments.Seconds("warm-up", 1), window_s = arguments.Seconds("seconds", 8);
  CpuWatch watch(arguments, "requester");
  arguments.RefuseUnknown();
  boost::asio::io_context io(1);
  Measurement measurement(warm_up_s, window_s, watch);
  const Requester requester(io, options, measurement);
  io.run();
  if (requester.confirmed() == 0) Die("the broker confirmed nothing");
  std::cout << measurement.Report().dump() << std::endl;
  return requester.errors() == 0 ? 0 : 2;
}

}  // namespace
}  // namespace warren::bench

int main(int argc, char** argv) {
  const std::string role = argc > 1 ? argv[1] : "";
  if (role == "respond") return warren::bench::Respond({argc, argv, 2});
  if (role == "request") return warren::bench::Request({argc, argv, 2});
  std::cerr << "usage: amqp_loop request|respond --node HOST:PORT …\n";
  return 64;
}
