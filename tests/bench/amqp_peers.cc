// Clients of a queue: connections that each publish with confirms and consume what they and the others published, with
// acknowledgements. Straight at a broker the queues are its shards, through warren-gateway one name stands for them.
//
//   amqp_peers --node HOST:PORT --exchange NAME --queue NAME… [--connections 1] [--in-flight 100] [--prefetch 100]
//     [--body-bytes 128] [--warm-up 1] [--seconds 5] [--watch NAME=PID,PID…]…
//
// Each connection has one channel to publish, with --in-flight messages unconfirmed at most, and one on which it
// consumes every --queue with --prefetch in all. What is counted is a message from its publishing to its delivery.
// Prints one line of JSON (measure.h).
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstring>
#include <iostream>

#include "shardmgr/broker/amqp/connection.h"
#include "tests/bench/measure.h"

namespace warren::bench {
namespace {

constexpr std::chrono::milliseconds kTick{10};
constexpr std::chrono::seconds kSilence{15};

struct Options {
  amqp::Endpoint node;
  std::string exchange;
  std::vector<std::string> queues;
  std::size_t in_flight = 100, body_bytes = 128;
  std::uint16_t prefetch = 100;
};

amqp::ChannelHandlers DieWhenClosed() {
  amqp::ChannelHandlers handlers;
  handlers.on_closed = [](const Error& error) { Die(error.ToString()); };
  return handlers;
}

/// One connection that publishes and consumes.
class Client {
 public:
  Client(boost::asio::io_context& io, const Options& options, Measurement& measurement)
      : options_(options), measurement_(measurement), body_(options.body_bytes, 'a') {
    amqp::ConnectionOptions connecting;
    connecting.endpoint = options.node;
    connecting.name = "bench peer";
    connection_ = amqp::Connection::Open(
        io.get_executor(), connecting, {[this] { Consume(); }, [](const Error& error) { Die(error.ToString()); }, {}});
  }

  Clock::time_point last() const { return last_; }

 private:
  void Consume() {
    consuming_ = connection_->OpenChannel();
    consuming_->SetHandlers(DieWhenClosed());
    const auto share = static_cast<std::uint16_t>(std::max<std::size_t>(1, options_.prefetch / options_.queues.size()));
    consuming_->Qos(share, false, [](Result<void>) {});
    waiting_ = options_.queues.size();
    for (const std::string& queue : options_.queues) {
      consuming_->Consume(
          queue, "", false, false, {}, [this](amqp::Delivery& delivery) { OnDelivery(delivery); },
          [this](Result<std::string> done) {
            if (!done) Die(done.error().ToString());
            if (--waiting_ == 0) Publish();
          });
    }
  }

  void Publish() {
    publishing_ = connection_->OpenChannel();
    auto handlers = DieWhenClosed();
    handlers.on_confirm = [this](std::uint64_t, bool acked) {
      if (!acked) Die("a message was not confirmed");
      Send();
    };
    publishing_->SetHandlers(std::move(handlers));
    publishing_->SelectConfirms([this](Result<void> done) {
      if (!done) Die(done.error().ToString());
      for (std::size_t message = 0; message < options_.in_flight; ++message) Send();
    });
  }

  void Send() {
    const auto now = Clock::now().time_since_epoch().count();
    std::memcpy(body_.data(), &now, std::min(sizeof(now), body_.size()));
    amqp_basic_properties_t properties{};
    properties._flags = AMQP_BASIC_DELIVERY_MODE_FLAG;
    properties.delivery_mode = 1;
    const auto sent = publishing_->Publish(options_.exchange, std::to_string(random_.Next()), false, properties, body_);
    if (!sent) Die(sent.error().ToString());
  }

  void OnDelivery(const amqp::Delivery& delivery) {
    Clock::rep started = 0;
    std::memcpy(&started, delivery.body.data(), std::min(sizeof(started), delivery.body.size()));
    last_ = Clock::now();
    measurement_.Count(Clock::time_point(Clock::duration(started)), last_);
    consuming_->Ack(delivery.delivery_tag);
  }

  const Options& options_;
  Measurement& measurement_;
  std::string body_;
  std::shared_ptr<amqp::Connection> connection_;
  std::shared_ptr<amqp::Channel> publishing_, consuming_;
  std::size_t waiting_ = 0;
  Random random_;
  Clock::time_point last_;
};

/// Advances the measurement, and gives up on silence.
class Ticker {
 public:
  Ticker(boost::asio::io_context& io, Measurement& measurement, const std::vector<std::unique_ptr<Client>>& clients)
      : io_(io), measurement_(measurement), clients_(clients), timer_(io) {
    Tick();
  }

 private:
  void Tick() {
    const auto now = Clock::now();
    bool heard = false, silent = true;
    for (const auto& client : clients_) {
      heard |= client->last() != Clock::time_point();
      silent &= now - client->last() > kSilence;
    }
    if (!heard && now - begin_ > kSilence) Die("no message came");
    if (heard && silent) Die("no message for a long time");
    if (heard && !measurement_.Advance(now)) return io_.stop();
    timer_.expires_after(kTick);
    timer_.async_wait([this](const boost::system::error_code& error) {
      if (!error) Tick();
    });
  }

  boost::asio::io_context& io_;
  Measurement& measurement_;
  const std::vector<std::unique_ptr<Client>>& clients_;
  boost::asio::steady_timer timer_;
  const Clock::time_point begin_ = Clock::now();
};

int Run(Arguments arguments) {
  Options options;
  const auto node = amqp::ParseEndpoint(arguments.Required("node"));
  if (!node) Die(node.error().ToString());
  options.node = *node;
  options.exchange = arguments.Required("exchange");
  options.queues = arguments.All("queue");
  if (options.queues.empty()) Die("--queue is missing");
  options.in_flight = static_cast<std::size_t>(arguments.Number("in-flight", 100));
  options.prefetch = static_cast<std::uint16_t>(arguments.Number("prefetch", 100));
  options.body_bytes = static_cast<std::size_t>(arguments.Number("body-bytes", 128));
  if (options.body_bytes < sizeof(Clock::rep)) Die("--body-bytes must be at least 8");
  const auto connections = arguments.Number("connections", 1);
  const double warm_up_s = arguments.Seconds("warm-up", 1), window_s = arguments.Seconds("seconds", 5);
  CpuWatch watch(arguments, "peers");
  arguments.RefuseUnknown();
  boost::asio::io_context io(1);
  Measurement measurement(warm_up_s, window_s, watch);
  std::vector<std::unique_ptr<Client>> clients;
  for (std::int64_t count = 0; count < connections; ++count) {
    clients.push_back(std::make_unique<Client>(io, options, measurement));
  }
  const Ticker ticker(io, measurement, clients);
  io.run();
  std::cout << measurement.Report().dump() << std::endl;
  return 0;
}

}  // namespace
}  // namespace warren::bench

int main(int argc, char** argv) { return warren::bench::Run({argc, argv, 1}); }
