// ChannelState: one channel of the protocol machine: calls waiting for their answers, consumers,
// publisher confirms, and the content (method, header, body frames) that is arriving.
//
// Pure; shared by Protocol and the public Channel handle, which keeps the Protocol alive: once
// over, calls answer with the error that closed it. Runs on the connection's executor.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "policies/error.h"
#include "shardmgr/broker/amqp/connection.h"
#include "shardmgr/broker/amqp/frame.h"
#include "shardmgr/broker/amqp/types.h"

namespace warren::amqp {

class Protocol;

class ChannelState : public std::enable_shared_from_this<ChannelState> {
 public:
  /// Answer to a call: the expected method, or why there is none.
  using OnReply = std::function<void(Result<Method>)>;

  ChannelState(Protocol* protocol, std::uint16_t number) : protocol_(protocol), number_(number) {}
  /// A channel that could not be opened: nothing is ever sent on it, every call answers `fault`.
  ChannelState(Protocol* protocol, const Error& fault)
      : protocol_(protocol), number_(0), state_(State::kClosing), closed_because_(fault) {}

  // --- What the handle asks for ---
  void SetHandlers(ChannelHandlers handlers) {
    handlers_ = std::make_shared<const ChannelHandlers>(std::move(handlers));
  }
  /// Sends `method` and waits for `reply_id`. When the names do not fit, or the channel is not open,
  /// nothing is sent and the error is answered, later.
  void Call(amqp_method_number_t id, void* method, amqp_method_number_t reply_id, OnReply on_reply,
            bool names_fit = true);
  /// Sends a method that has no answer; false when the channel is not open.
  bool Send(amqp_method_number_t id, void* method);
  Result<std::uint64_t> Publish(amqp_basic_publish_t& method, const amqp_basic_properties_t& properties,
                                std::string_view body);
  void AddConsumer(const std::string& tag, Channel::OnDelivery on_delivery);
  void RemoveConsumer(std::string_view tag);
  void StartConfirms() { confirming_ = true; }
  void Close();
  /// The handle is gone: nobody is told of anything any more, and the channel closes.
  void Abandon();
  bool is_open() const { return state_ == State::kOpen; }

  // --- What the protocol machine brings ---
  /// A frame for this channel; kProtocol when the broker may not send it now.
  Result<void> OnFrame(const Frame& frame);
  /// The channel is over. `fault` goes to every waiting call, then to on_closed.
  void Finish(const Error& fault);
  /// The channel goes without a word to anybody.
  void Forget();

 private:
  struct Pending {
    amqp_method_number_t reply_id;
    OnReply on_reply;
  };
  struct Content {
    enum class Stage { kNone, kHeader, kBody } stage = Stage::kNone;
    std::string method_bytes, header_bytes;  // Decoded structs point into these.
    Method method;
    ContentHeader header;
    std::uint64_t received_bytes = 0;
    std::string body;
    bool too_large = false;
  };

  Result<void> OnMethod(std::string_view payload);
  Result<void> OnReplyMethod(const Method& method);
  void OnChannelClose(const amqp_channel_close_t& close);
  void OnServerCancel(const amqp_basic_cancel_t& cancel);
  Result<void> StartContent(std::string_view payload);
  Result<void> OnHeader(std::string_view payload);
  Result<void> OnBody(std::string_view payload);
  void DispatchContent();
  void DispatchDelivery(const amqp_basic_deliver_t& deliver, const amqp_basic_properties_t& properties);
  Result<void> Confirm(std::uint64_t tag, bool multiple, bool acked);
  void ConfirmOne(std::uint64_t sequence, bool acked);

  enum class State { kOpen, kClosing, kOver };  // kClosing: close-ok is not here yet.

  Protocol* const protocol_;
  const std::uint16_t number_;
  State state_ = State::kOpen;
  Error closed_because_;
  /// Shared with whoever calls one of them: a callback may drop or replace them all.
  std::shared_ptr<const ChannelHandlers> handlers_ = std::make_shared<const ChannelHandlers>();
  std::deque<Pending> pending_;
  std::map<std::string, std::shared_ptr<Channel::OnDelivery>, std::less<>> consumers_;
  Content content_;
  Pool pool_;         // What the arriving content was decoded into.
  Pool method_pool_;  // Everything else.

  bool confirming_ = false;
  std::uint64_t next_sequence_ = 1;
  std::uint64_t first_unconfirmed_ = 1;
  std::deque<bool> confirmed_;  // From first_unconfirmed_ on.
};

}  // namespace warren::amqp
