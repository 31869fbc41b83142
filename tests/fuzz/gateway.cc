// A gateway's conversation: any bytes from a client and from a broker, frames that make sense among them, in any order,
// with shards that come and go, time that passes and connections that end.
//
// One input in two has a broker that answers what it is asked, and nothing else.
//
// Rules: no crash; as long as both sides speak AMQP what goes out is whole frames; no upstream tag is used twice; who
// asks for shards leaves once; what is remembered stays within its limit; a client whose broker keeps to the protocol
// never sees a tag of the gateway's.
#include <array>
#include <deque>
#include <set>

#include "proxy/gateway/conversation.h"
#include "proxy/gateway/methods.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/targets.h"

namespace warren::fuzz {
namespace {

using namespace warren::gateway;

constexpr std::size_t kMaxMemoryBytes = 64 << 10;
constexpr std::size_t kMostFromOneCall = std::size_t{64} << 10;  ///< What one call may add before it is looked at.

std::string ShardNamed(unsigned index) { return "stream: s.logs - n" + std::to_string(index % 3) + " - 0"; }

/// What goes out to one side: whole frames, and messages in one piece.
class Watcher {
 public:
  Watcher(bool to_broker, bool answering) : to_broker_(to_broker), answering_(answering) {}

  std::deque<std::string> answers;

  void Take(std::string_view bytes, bool whole) {
    if (bytes.starts_with("AMQP")) bytes.remove_prefix(std::min<std::size_t>(bytes.size(), 8));
    while (whole && !bytes.empty()) {
      const auto frame = amqp::SplitFrame(bytes, 1u << 20);
      Require(frame.has_value() && frame->has_value(), "what goes out is whole frames");
      bytes.remove_prefix(amqp::FrameBytes(**frame));
      Frame(**frame);
    }
  }

 private:
  void Frame(const amqp::Frame& frame) {
    if (frame.channel == 0 || frame.type != amqp::FrameType::kMethod) return;
    if (!to_broker_) {
      const bool shown = frame.payload.find("/shard-") != std::string_view::npos;
      Require(!answering_ || !shown, "the client sees its own tags alone");
      return;
    }
    const MethodId method = MethodOf(frame.payload);
    const std::string_view arguments = frame.payload.substr(std::min<std::size_t>(4, frame.payload.size()));
    if (answering_) Answer(frame.channel, method, arguments);
    const auto consume = method == AMQP_BASIC_CONSUME_METHOD ? ReadConsume(arguments) : std::nullopt;
    if (!consume || consume->tag.find("/shard-") == std::string_view::npos) return;
    Require(tags_.emplace(frame.channel, consume->tag).second, "an upstream tag is used once");
  }

  /// What a broker says to that, for later.
  void Answer(std::uint16_t channel, MethodId method, std::string_view arguments) {
    std::string reply;
    switch (method) {
      case AMQP_BASIC_CONSUME_METHOD: {
        const auto consume = ReadConsume(arguments);
        if (!consume || (consume->flags & Consume::kNoWait) != 0) return;
        AppendTag(reply, channel, AMQP_BASIC_CONSUME_OK_METHOD, consume->tag.empty() ? "amq.ctag-1" : consume->tag);
        break;
      }
      case AMQP_BASIC_CANCEL_METHOD: {
        const auto cancel = ReadCancel(arguments);
        if (!cancel || cancel->no_wait) return;
        AppendTag(reply, channel, AMQP_BASIC_CANCEL_OK_METHOD, cancel->tag);
        break;
      }
      case AMQP_BASIC_QOS_METHOD: AppendBare(reply, channel, AMQP_BASIC_QOS_OK_METHOD); break;
      case AMQP_BASIC_RECOVER_METHOD: AppendBare(reply, channel, AMQP_BASIC_RECOVER_OK_METHOD); break;
      case AMQP_BASIC_GET_METHOD: AppendGetEmpty(reply, channel); break;
      case AMQP_QUEUE_DECLARE_METHOD:
        // Often enough nobody consumes it.
        AppendDeclared(reply, channel, {"q", 1, answers.size() % 4 == 3 ? 1u : 0u});
        break;
      case AMQP_QUEUE_PURGE_METHOD: AppendPurged(reply, channel, 1); break;
      case AMQP_CHANNEL_CLOSE_METHOD: AppendBare(reply, channel, AMQP_CHANNEL_CLOSE_OK_METHOD); break;
      default: return;
    }
    answers.push_back(std::move(reply));
  }

  const bool to_broker_, answering_;
  std::set<std::pair<std::uint16_t, std::string>> tags_;
};

class Stage : public Outside {
 public:
  explicit Stage(std::string_view bytes)
      : input_(bytes),
        dice_(input_.seed),
        conversation_({.accept_declare = (input_.seed & 1) != 0,
                       .accept_purge = (input_.seed & 2) != 0,
                       .max_channels = 8,
                       .max_memory_bytes = kMaxMemoryBytes},
                      *this) {
    Topology seen;
    for (unsigned index = 0; index < 3; ++index) {
      Queue queue;
      queue.vhost = "/";
      queue.name = ShardNamed(index);
      queue.node = "n" + std::to_string(index);
      queue.state = "running";
      seen.queues.push_back(queue);
    }
    streams_ = std::make_shared<StreamMap>(seen);
  }

  std::shared_ptr<const StreamMap> streams() const override { return streams_; }
  std::string node() const override { return "n0"; }
  void Join(ConsumerId consumer, const ConsumerRequest&) override { members_.insert(consumer); }
  void Leave(ConsumerId consumer) override {
    Require(members_.erase(consumer) == 1, "who leaves had joined, and leaves once");
  }
  void Lost(ConsumerId consumer, const std::string&) override {
    Require(members_.contains(consumer), "who loses a shard had joined");
  }

  void Run() {
    Handshake();
    Reader in(input_.data);
    while (!in.empty()) Act(in);
    Output out;
    conversation_.OnBrokerLost("the end", now_, out);
    Check(out);
    Require(members_.empty(), "all leave in the end");
  }

 private:
  void Handshake() {
    if (input_.seed % 5 == 0) return;  // Rubbish from the start.
    std::string bytes("AMQP\0\0\x09\x01", 8);
    FrameWriter(bytes, 0, AMQP_CONNECTION_TUNE_OK_METHOD).U16(8).U32(4'096).U16(60).End();
    FrameWriter(bytes, 0, AMQP_CONNECTION_OPEN_METHOD).ShortString("/").ShortString("").U8(0).End();
    std::string answer;
    FrameWriter(answer, 0, AMQP_CONNECTION_OPEN_OK_METHOD).ShortString("").End();
    for (std::uint16_t channel = 1; channel < 3; ++channel) {
      FrameWriter(bytes, channel, AMQP_CHANNEL_OPEN_METHOD).ShortString("").End();
    }
    Client(bytes);
    Broker(answer);
  }

  void Act(Reader& in) {
    const std::uint8_t what = in.Byte();
    const auto channel = static_cast<std::uint16_t>(1 + in.Byte() % 3);
    const std::uint8_t detail = in.Byte();
    switch (what % 16) {
      case 0: raw_client_ = true; return Client(std::string(in.Take(detail)));
      case 1:
        if (answering_) return Answers(detail);
        raw_broker_ = true;
        return Broker(std::string(in.Take(detail)));
      case 2: return Time(detail);
      case 3: return Shards(detail);
      case 4: return detail < 8 ? Lose() : Shards(detail);
      case 5:
      case 6:
      case 7:
      case 8:
      case 9: return Client(OfClient(channel, detail, in.Byte()));
      default: return answering_ ? Answers(detail % 8) : Broker(OfBroker(channel, detail, in.Byte()));
    }
  }

  static std::string Name(std::uint8_t detail) {
    constexpr std::array<const char*, 5> kNames = {"s.logs", "logs", "mine", "", "stream: s.logs - n0 - 0"};
    return kNames[detail % kNames.size()];
  }
  static std::string Tag(std::uint8_t detail) { return detail % 3 == 0 ? "" : detail % 3 == 1 ? "a" : "b"; }

  static std::string OfClient(std::uint16_t channel, std::uint8_t detail, std::uint8_t more) {
    std::string bytes;
    const std::string name = Name(more);
    switch (detail % 16) {
      case 0:
        AppendConsume(bytes, channel,
                      {name, Tag(detail / 16), static_cast<std::uint8_t>(more >> 3), std::string_view("\0\0\0\0", 4)});
        break;
      case 1: AppendCancel(bytes, channel, Tag(more), (more & 8) != 0); break;
      case 2: AppendQos(bytes, channel, more % 7); break;
      case 3: AppendGet(bytes, channel, name, (more & 8) != 0); break;
      case 4: AppendPassiveDeclare(bytes, channel, name); break;
      case 5:
        FrameWriter(bytes, channel, AMQP_QUEUE_DECLARE_METHOD).U16(0).ShortString(name).U8(more & 16).U32(0).End();
        break;
      case 6: AppendPurge(bytes, channel, name); break;
      case 7: FrameWriter(bytes, channel, AMQP_QUEUE_DELETE_METHOD).U16(0).ShortString(name).U8(0).End(); break;
      case 8:
        FrameWriter(bytes, channel, AMQP_BASIC_PUBLISH_METHOD).U16(0).ShortString("").ShortString(name).U8(0).End();
        break;
      case 9: FrameWriter(bytes, amqp::FrameType::kHeader, channel).U16(60).U16(0).U64(more % 5).U16(0).End(); break;
      case 10: FrameWriter(bytes, amqp::FrameType::kBody, channel).Raw(std::string(more % 5, 'x')).End(); break;
      case 11: FrameWriter(bytes, channel, AMQP_BASIC_ACK_METHOD).U64(more % 32).U8(more >> 7).End(); break;
      case 12: FrameWriter(bytes, channel, AMQP_CHANNEL_OPEN_METHOD).ShortString("").End(); break;
      case 13: AppendClose(bytes, channel, AMQP_CHANNEL_CLOSE_METHOD, {}); break;
      case 14: AppendBare(bytes, channel, AMQP_CHANNEL_CLOSE_OK_METHOD); break;
      default:
        AppendBare(bytes, channel,
                   more % 4 == 0   ? AMQP_TX_SELECT_METHOD
                   : more % 4 == 1 ? AMQP_TX_COMMIT_METHOD
                   : more % 4 == 2 ? AMQP_TX_ROLLBACK_METHOD
                                   : AMQP_BASIC_RECOVER_METHOD);
    }
    return bytes;
  }

  std::string OfBroker(std::uint16_t channel, std::uint8_t detail, std::uint8_t more) {
    const std::string tag = "a/shard-" + std::to_string(1 + more % 4) + "." + std::to_string(1 + more / 4 % 8);
    std::string bytes;
    switch (detail % 12) {
      case 0: AppendTag(bytes, channel, AMQP_BASIC_CONSUME_OK_METHOD, tag); break;
      case 1: AppendTag(bytes, channel, AMQP_BASIC_CANCEL_OK_METHOD, tag); break;
      case 2: AppendCancel(bytes, channel, tag, true); break;
      case 3:
        FrameWriter(bytes, channel, AMQP_BASIC_DELIVER_METHOD)
            .ShortString(tag)
            .U64(++deliveries_)
            .U8(0)
            .ShortString("s.logs")
            .ShortString("")
            .End();
        break;
      case 4: FrameWriter(bytes, amqp::FrameType::kHeader, channel).U16(60).U16(0).U64(more % 5).U16(0).End(); break;
      case 5: FrameWriter(bytes, amqp::FrameType::kBody, channel).Raw(std::string(more % 5, 'x')).End(); break;
      case 6:
        AppendBare(bytes, channel, more % 4 == 0 ? AMQP_BASIC_RECOVER_OK_METHOD : AMQP_BASIC_QOS_OK_METHOD);
        break;
      case 7: AppendGetEmpty(bytes, channel); break;
      case 8: AppendDeclared(bytes, channel, {Name(more), more, more}); break;
      case 9: AppendPurged(bytes, channel, more); break;
      case 10: AppendBare(bytes, channel, AMQP_CHANNEL_CLOSE_OK_METHOD); break;
      default:
        AppendClose(bytes, channel, AMQP_CHANNEL_CLOSE_METHOD,
                    {404, "NOT_FOUND - no queue '" + ShardNamed(more) + "' in vhost '/'", 0});
    }
    return bytes;
  }

  void Client(const std::string& bytes) {
    client_left_ += bytes;
    while (!client_left_.empty()) {
      Output out;
      const std::size_t piece = dice_.Piece(client_left_.size());
      const std::size_t taken = conversation_.FromClient(std::string_view(client_left_).substr(0, piece), now_, out);
      Check(out);
      client_left_.erase(0, taken);
      if (taken == 0 && piece == client_left_.size()) break;
      if (taken == 0 && conversation_.stalled()) break;
    }
    if (client_left_.size() > kMaxMemoryBytes) client_left_.clear();
  }

  void Broker(const std::string& bytes) {
    broker_left_ += bytes;
    Output out;
    broker_left_.erase(0, conversation_.FromBroker(broker_left_, now_, out));
    Check(out);
    if (broker_left_.size() > kMaxMemoryBytes) broker_left_.clear();
    if (!conversation_.stalled()) Client({});
  }

  void Answers(std::size_t most) {
    for (std::size_t count = 0; count <= most && !to_broker_.answers.empty(); ++count) {
      const std::string answer = std::move(to_broker_.answers.front());
      to_broker_.answers.pop_front();
      Broker(answer);
    }
  }

  void Shards(std::uint8_t detail) {
    if (members_.empty()) return;
    auto member = members_.begin();
    std::advance(member, detail % members_.size());
    std::vector<std::string> queues;
    for (unsigned index = 0; index < 3; ++index) {
      if ((detail >> index & 1) != 0) queues.push_back(ShardNamed(index));
    }
    Output out;
    conversation_.OnShards(*member, queues, (detail & 0xf0) != 0, now_, out);
    Check(out);
    if (!conversation_.stalled()) Client({});
  }

  void Time(std::uint8_t detail) {
    now_ += std::chrono::milliseconds(detail * 8);
    Output out;
    if (detail % 2 == 0) conversation_.HeardClient(now_);
    conversation_.Tick(now_, out);
    Check(out);
  }

  void Lose() {
    Output out;
    conversation_.OnBrokerLost("the node is gone", now_, out);
    Check(out);
  }

  void Check(const Output& out) {
    to_client_.Take(out.to_client, !raw_broker_);
    to_broker_.Take(out.to_broker, !raw_client_ && input_.seed % 5 != 0);
    Require(conversation_.memory_bytes() <= kMaxMemoryBytes + kMostFromOneCall, "what is remembered has a limit");
    Require(conversation_.tally().consumers < 10'000, "consumers are counted down too");
  }

  Input input_;
  Dice dice_;
  Conversation conversation_;
  std::shared_ptr<const StreamMap> streams_;
  std::set<ConsumerId> members_;
  const bool answering_ = input_.seed % 2 == 0;  ///< The broker keeps to the protocol.
  Watcher to_client_{false, answering_}, to_broker_{true, answering_};
  std::string client_left_, broker_left_;
  bool raw_client_ = false, raw_broker_ = false;
  std::uint64_t deliveries_ = 0;
  gateway::Time now_ = gateway::Time(std::chrono::hours(1));
};

}  // namespace

void Gateway(std::string_view bytes) { Stage(bytes).Run(); }

}  // namespace warren::fuzz
