// BrokerTransport: one I/O thread's two AMQP connections. It publishes for the dispatcher (mandatory, in
// confirm mode), consumes its reply queue and its dead letters, and tells the dispatcher what the broker
// says. Each connection fails over on its own; a channel that the broker closes is opened again with
// growing pauses, so an exchange that is missing now is used once it appears.
//
// Threads: all on the I/O thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>

#include "proxy/http/dispatcher.h"
#include "proxy/http/metrics.h"
#include "shardmgr/broker/amqp/link.h"
#include "shardmgr/program/failure_log.h"

namespace warren::proxy {

struct BrokerTransportOptions {
  std::string exchange;
  std::string instance;  ///< `:proxy` of this thread's requests, for dead letters.
  std::vector<amqp::Endpoint> nodes;
  amqp::ConnectionOptions connection;
};

class BrokerTransport : public Transport {
 public:
  BrokerTransport(boost::asio::io_context& io, BrokerTransportOptions options, LaneStats& stats);
  ~BrokerTransport() override;

  void Start(Dispatcher& dispatcher);
  void Stop();

  Result<Receipt> Publish(wire::Request& request, std::string_view routing_key, std::string_view correlation_id,
                          Milliseconds expiration) override;
  void Cancel(std::string_view inbox, std::string_view correlation_id, std::string_view attempt) override;
  void Grant(std::string_view inbox, std::string_view correlation_id, std::string_view attempt) override;

 private:
  using ConnectionPtr = std::shared_ptr<amqp::Connection>;

  amqp::LinkOptions MakeLink(const char* purpose) const;
  void PublishUp(const ConnectionPtr& connection);
  std::shared_ptr<amqp::Channel> OpenPublishing(std::size_t index);
  void PublishClosed(const Error& error);
  void ConsumeUp(const ConnectionPtr& connection);
  void ConsumeClosed(const Error& error);
  void StartConsuming(const std::string& queue);
  void OpenDeadLetters(const ConnectionPtr& connection);
  void ConsumeDeadLetters(const std::string& queue);
  void ToInbox(std::string_view inbox, const amqp_basic_properties_t& properties);
  void Later(boost::asio::steady_timer& timer, Milliseconds& pause, std::function<void()> action);

  const BrokerTransportOptions options_;
  LaneStats& stats_;
  Dispatcher* dispatcher_ = nullptr;
  wire::RequestEncoder encoder_;
  wire::ControlEncoder control_encoder_;
  amqp::Link publish_link_, consume_link_;
  ConnectionPtr publish_connection_;
  /// The broker works on each channel by itself. Messages with one key go out on one of them, in order.
  std::array<std::shared_ptr<amqp::Channel>, kChannels> publish_channels_;
  std::shared_ptr<amqp::Channel> consume_channel_, dead_channel_;
  std::shared_ptr<amqp::Channel> control_channel_;  ///< Without confirms, on the publishing connection.
  boost::asio::steady_timer publish_timer_, consume_timer_;
  Milliseconds publish_pause_, consume_pause_;
  std::string reply_queue_;
  program::FailureLog publish_failures_, consume_failures_;
  bool publish_ready_ = false, was_publishing_ = false, was_consuming_ = false;
  bool missing_logged_ = false, dead_logged_ = false;
};

}  // namespace warren::proxy
