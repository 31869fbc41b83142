// The AMQP client's protocol machine against a broker that sends anything: an honest handshake, then the
// input, as raw bytes or (odd seeds) as frames whose payloads are the input. Calls, publishings and
// consumers are there for its answers.
//
// Rules: no crash; what happens does not depend on how bytes are split; what is left over is less than
// a frame; a body stays below its limit; each call is answered at most once, and exactly once by the end.
#include <memory>
#include <vector>

#include "shardmgr/broker/amqp/bytes.h"
#include "shardmgr/broker/amqp/channel_state.h"
#include "shardmgr/broker/amqp/protocol.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/targets.h"

namespace warren::fuzz {
namespace {

using amqp::Bytes;

constexpr std::size_t kMaxMessage = 1'000;
constexpr std::uint32_t kFrameMax = 4'096;
constexpr std::size_t kMaxFrames = 400;  // Of one input.

/// A client with two channels in confirm mode, consumers and calls under way; writes down what happens.
class Client {
 public:
  Client() {
    amqp::ConnectionOptions options;
    options.name = "fuzz";
    options.max_message_bytes = kMaxMessage;
    options.frame_max = kFrameMax;
    protocol_ = std::make_unique<amqp::Protocol>(
        options, amqp::Protocol::Events{.on_open = [this] { log_ += "open "; },
                                        .on_over =
                                            [this](const Error& error) {
                                              Require(!over_, "the end is told once");
                                              over_ = true;
                                              log_ += "over:" + error.ToString() + " ";
                                            },
                                        .on_blocked =
                                            [this](bool blocked, std::string_view why) {
                                              log_ += (blocked ? "blocked:" : "go:") + std::string(why);
                                            },
                                        .on_output = [] {}});
    protocol_->Start(now_);
    Shake();
    for (int i = 0; i < 2; ++i) OpenChannel();
  }

  void Feed(std::string_view bytes) {
    inbox_.append(bytes);
    const std::size_t took = protocol_->Feed(inbox_, now_);
    Require(took <= inbox_.size(), "no more is taken than there was");
    inbox_.erase(0, took);
    Require(inbox_.size() < kFrameMax + amqp::kFrameOverheadBytes, "less than a frame is left over");
    protocol_->RunDeferred();
    std::string output;
    protocol_->TakeOutput(output, now_);
    Require(output.size() < (1u << 20), "a broker cannot make the client say so much");
  }

  /// Ends the connection and gives the log.
  std::string Finish() {
    protocol_->Fail({ErrorCode::kUnavailable, "the end", {}});
    protocol_->RunDeferred();
    Require(over_, "the end is told");
    Require(answers_ == calls_, "each call is answered once");
    return std::move(log_);
  }

 private:
  template <class T>
  void Say(std::uint16_t channel, amqp_method_number_t id, T method) {
    std::string bytes;
    Require(amqp::AppendMethod(bytes, channel, id, &method, kFrameMax).has_value(), "the harness can say that");
    Feed(bytes);
  }

  void Shake() {
    Say(0, AMQP_CONNECTION_START_METHOD,
        amqp_connection_start_t{0, 9, amqp_empty_table, Bytes("PLAIN"), Bytes("en_US")});
    Say(0, AMQP_CONNECTION_TUNE_METHOD, amqp_connection_tune_t{10, kFrameMax, 60});
    Say(0, AMQP_CONNECTION_OPEN_OK_METHOD, amqp_connection_open_ok_t{});
    Require(protocol_->is_open(), "the handshake is done");
  }

  void OpenChannel() {
    auto channel = protocol_->OpenChannel();
    const auto number = static_cast<std::uint16_t>(channels_.size() + 1);
    channels_.push_back(channel);
    Say(number, AMQP_CHANNEL_OPEN_OK_METHOD, amqp_channel_open_ok_t{});
    amqp::ChannelHandlers handlers;
    handlers.on_confirm = [this](std::uint64_t sequence, bool acked) {
      Require(sequence >= 1 && sequence <= 3, "only what was published is confirmed");
      log_ += (acked ? "ack" : "nack") + std::to_string(sequence) + " ";
    };
    handlers.on_return = [this](amqp::Returned& returned) {
      log_ += "return:" + std::to_string(returned.code) + std::to_string(returned.body.size()) + " ";
    };
    handlers.on_cancelled = [this](std::string_view tag) { log_ += "cancelled:" + std::string(tag) + " "; };
    handlers.on_closed = [this](const Error& error) { log_ += "closed:" + error.ToString() + " "; };
    channel->SetHandlers(handlers);
    channel->AddConsumer("tag", [this](amqp::Delivery& delivery) {
      Require(delivery.body.size() <= kMaxMessage, "a body stays below its limit");
      Require(delivery.damaged() || delivery.body.size() == delivery.body_bytes, "a body is whole");
      log_ += "delivery:" + std::to_string(delivery.delivery_tag) + ":" + delivery.body + " ";
    });
    channel->StartConfirms();
    for (int i = 0; i < 3; ++i) {
      amqp_basic_publish_t method{0, Bytes("e"), Bytes("k"), true, false};
      Require(channel->Publish(method, amqp_basic_properties_t{}, "body").has_value(), "a message can be published");
    }
    amqp_queue_declare_t declare{0, Bytes("q"), true, false, false, false, false, amqp_empty_table};
    Call(*channel, AMQP_QUEUE_DECLARE_METHOD, &declare, AMQP_QUEUE_DECLARE_OK_METHOD);
    amqp_basic_qos_t qos{0, 1, false};
    Call(*channel, AMQP_BASIC_QOS_METHOD, &qos, AMQP_BASIC_QOS_OK_METHOD);
    if (number == 2) channel->Close();  // Half closed: late frames may still come.
  }

  void Call(amqp::ChannelState& channel, amqp_method_number_t id, void* method, amqp_method_number_t reply_id) {
    const auto answered = std::make_shared<bool>(false);
    ++calls_;
    channel.Call(id, method, reply_id, [this, answered](Result<amqp::Method> reply) {
      Require(!*answered, "a call is answered once");
      *answered = true;
      ++answers_;
      log_ += reply ? "answer " : "failed:" + reply.error().ToString() + " ";
    });
  }

  amqp::Protocol::Time now_{std::chrono::hours(1)};
  std::string inbox_, log_;
  bool over_ = false;
  int calls_ = 0, answers_ = 0;
  std::unique_ptr<amqp::Protocol> protocol_;
  std::vector<std::shared_ptr<amqp::ChannelState>> channels_;
};

/// The input as frames: two bytes of kind and size, then the payload, each with an honest head and end.
std::string Framed(std::string_view bytes) {
  std::string out;
  Reader reader(bytes);
  for (std::size_t frames = 0; !reader.empty() && frames < kMaxFrames; ++frames) {
    const std::uint8_t kind = reader.Byte();
    const std::string_view payload = reader.Take(reader.Byte());
    static constexpr char kTypes[] = {1, 2, 3, 8};
    out.push_back(kTypes[kind % 4]);
    out.push_back('\0');
    out.push_back(static_cast<char>(kind / 4 % 4));
    out.append(2, '\0');
    out.push_back('\0');
    out.push_back(static_cast<char>(payload.size()));
    out.append(payload).push_back('\xCE');
  }
  return out;
}

}  // namespace

void AmqpClient(std::string_view bytes) {
  const Input input(bytes);
  Dice dice(input.seed);
  const std::string said = input.seed % 2 == 1 ? Framed(input.data) : std::string(input.data);
  Client at_once, in_pieces;
  at_once.Feed(said);
  for (std::size_t at = 0; at < said.size();) {
    const std::size_t piece = dice.Piece(said.size() - at);
    in_pieces.Feed(std::string_view(said).substr(at, piece));
    at += piece;
  }
  const std::string log = at_once.Finish();
  Require(log == in_pieces.Finish(), "what happens depends on the bytes alone: ", log);
}

}  // namespace warren::fuzz
