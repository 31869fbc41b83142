// Protocol: the AMQP 0-9-1 client side of one connection as a state machine: bytes and `now` go in,
// bytes and callbacks come out. No socket, no clock; connection.cc wraps both around it.
//
//   kHandshake -> kOpen -> kClosing -> kOver
//
// Whoever drives it calls TakeOutput() after each call that may have produced bytes (on_output says
// so), RunDeferred() outside of any call of a user, and Tick() about twice per heartbeat interval.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "policies/error.h"
#include "shardmgr/broker/amqp/connection.h"
#include "shardmgr/broker/amqp/frame.h"

namespace warren::amqp {

class ChannelState;

class Protocol {
 public:
  using Time = std::chrono::steady_clock::time_point;

  struct Events {
    std::function<void()> on_open;
    std::function<void(const Error&)> on_over;  ///< Once: the connection is to be dropped.
    std::function<void(bool, std::string_view)> on_blocked;
    std::function<void()> on_output;  ///< There are bytes to write or deferred calls to run.
  };

  Protocol(ConnectionOptions options, Events events);
  ~Protocol();

  void Start(Time now);
  /// Takes what it can of `bytes` and says how much; the rest comes again with more behind it.
  std::size_t Feed(std::string_view bytes, Time now);
  void Tick(Time now);
  /// Asks for an orderly end.
  void Close();
  /// The socket ended or could not be had: everybody who waits is told why.
  void Fail(const Error& error);
  /// Nobody is to be told anything any more.
  void Forget();

  std::shared_ptr<ChannelState> OpenChannel();

  bool has_output() const { return !output_.empty(); }
  std::size_t output_bytes() const { return output_.size(); }
  /// Swaps the bytes to be written with the (empty) `into`, so that both keep their memory.
  void TakeOutput(std::string& into, Time now);
  void RunDeferred();

  bool is_open() const { return state_ == State::kOpen; }
  bool is_over() const { return state_ == State::kOver; }
  bool is_blocked() const { return blocked_; }
  std::uint32_t frame_max() const { return frame_max_; }
  std::chrono::seconds heartbeat() const { return heartbeat_; }
  const ConnectionOptions& options() const { return options_; }

  // --- For ChannelState ---
  Result<void> SendMethod(std::uint16_t channel, amqp_method_number_t id, void* method);
  Result<void> SendContent(std::uint16_t channel, amqp_basic_publish_t& method,
                           const amqp_basic_properties_t& properties, std::string_view body);
  void Defer(std::function<void()> call);
  void ReleaseChannel(std::uint16_t number);
  /// "connection 'name' to host:port"
  std::string Where() const;

 private:
  enum class State { kHandshake, kOpen, kClosing, kOver };

  Result<void> OnFrame(const Frame& frame);
  Result<void> OnConnectionMethod(const Method& method);
  Result<void> OnStart(const amqp_connection_start_t& start);
  Result<void> OnTune(const amqp_connection_tune_t& tune);
  void OnServerClose(const amqp_connection_close_t& close);
  Error ForeignGreeting(std::string_view bytes) const;
  void End(const Error& error);

  const ConnectionOptions options_;
  Events events_;
  State state_ = State::kHandshake;
  bool started_ = false;  // We have sent our protocol header.
  bool greeted_ = false;  // A first frame has come.
  bool blocked_ = false;
  bool forgotten_ = false;
  std::uint32_t frame_max_;
  std::uint16_t channel_max_;
  std::chrono::seconds heartbeat_{0};
  Time last_received_, last_sent_;
  std::string output_;
  std::vector<std::function<void()>> deferred_;
  std::vector<std::shared_ptr<ChannelState>> channels_;  // By number; [0] stays empty.
  Pool pool_;
};

}  // namespace warren::amqp
