// Talk: a conversation with both sides in the test's hands. Frames are written with the gateway's own writers, and what
// comes out is read back as lines such as "1 basic.consume stream: shard.logs - n1 - 0|c/shard-1.1".
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "proxy/gateway/conversation.h"
#include "proxy/gateway/methods.h"

namespace warren::gateway {

inline constexpr const char* kExchange = "shard.logs";

inline std::string ShardOn(const std::string& node, int index = 0) {
  return "stream: " + std::string(kExchange) + " - " + node + " - " + std::to_string(index);
}

/// Frames as lines: channel, what it is, and what matters of it.
std::vector<std::string> Lines(std::string_view frames);

class Talk : public testing::Test, public Outside {
 protected:
  using Strings = std::vector<std::string>;

  Talk();

  std::shared_ptr<const StreamMap> streams() const override { return streams_; }
  std::string node() const override { return "n1"; }
  void Join(ConsumerId consumer, const ConsumerRequest& request) override { joined[consumer] = request; }
  void Leave(ConsumerId consumer) override { left.push_back(consumer); }
  void Lost(ConsumerId, const std::string& queue) override { lost.push_back(queue); }

  /// Makes the conversation anew and goes through the handshake; channel 1 is open then.
  void Begin(ConversationOptions options = {}, bool wants_cancel_notice = true);
  /// What comes out for the broker, or for the client, after bytes of either.
  Strings Client(const std::string& bytes);
  Strings Broker(const std::string& bytes);
  Strings Shards(ConsumerId consumer, const Strings& queues, bool known = true);
  Strings Pass(std::chrono::milliseconds time);  ///< The clock goes on, and Tick is called.
  /// What came out for the other side of the last call.
  Strings to_client, to_broker;

  static std::string Method(MethodId method, std::uint16_t channel = 1);
  static std::string ConsumeOf(const std::string& queue, const std::string& tag, std::uint8_t flags = 0);
  static std::string ConsumeOk(const std::string& tag);
  static std::string CancelOk(const std::string& tag);
  static std::string DeliverTo(const std::string& tag, std::uint64_t delivery_tag, const std::string& body = "x");
  static std::string Ack(std::uint64_t delivery_tag, bool multiple = false);
  static std::string Content(const std::string& body);
  /// Consumes the stream with this prefetch from these shards; answers the broker's side of it.
  void ConsumeStream(std::uint16_t prefetch, const Strings& shards);
  /// The upstream tags of the consume frames among lines, in order.
  static Strings TagsIn(const Strings& lines);

  void SetQueues(const Strings& queues);

  std::map<ConsumerId, ConsumerRequest> joined;
  std::vector<ConsumerId> left;
  Strings lost;
  std::unique_ptr<Conversation> conversation;
  Time now = Time(std::chrono::hours(1));

 private:
  void Take(Output& out);
  std::shared_ptr<const StreamMap> streams_;
  std::string client_left_;
};

}  // namespace warren::gateway
