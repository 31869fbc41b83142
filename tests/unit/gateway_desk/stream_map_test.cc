// Which names are streams', and what is known of their shards.
#include "proxy/gateway/stream_map.h"

#include <gtest/gtest.h>

namespace warren::gateway {
namespace {

Queue QueueOf(const std::string& name, const std::string& node = "a@h", const std::string& state = "running",
              const std::string& vhost = "/") {
  Queue queue;
  queue.vhost = vhost;
  queue.name = name;
  queue.node = node;
  queue.state = state;
  return queue;
}

Binding BindingOf(const std::string& source, const std::string& queue) {
  Binding binding;
  binding.vhost = "/";
  binding.source = source;
  binding.destination = queue;
  return binding;
}

std::string ExchangeOf(const SeenStream* stream) { return stream == nullptr ? "none" : stream->exchange; }

Topology Of(const std::vector<std::string>& queues) {
  Topology seen;
  for (const std::string& queue : queues) seen.queues.push_back(QueueOf(queue));
  return seen;
}

TEST(StreamMap, FindsAStreamByItsExchangeAndByTheNameWithoutItsFirstPart) {
  const StreamMap map(Of({"stream: shard.logs - a@h - 0", "sharding: a.b.c - a@h - 0", "stream: plain - a@h - 0"}));
  EXPECT_EQ(ExchangeOf(map.Find("/", "shard.logs")), "shard.logs");
  EXPECT_EQ(ExchangeOf(map.Find("/", "logs")), "shard.logs");
  EXPECT_EQ(ExchangeOf(map.Find("/", "b.c")), "a.b.c");
  EXPECT_EQ(ExchangeOf(map.Find("/", "plain")), "plain");
  EXPECT_EQ(map.Find("/", "c"), nullptr);
  EXPECT_EQ(map.Find("/", ""), nullptr);
  EXPECT_EQ(map.Find("/", "stream: shard.logs - a@h - 0"), nullptr);
  EXPECT_EQ(map.OfExchange("/", "logs"), nullptr);
}

TEST(StreamMap, KnowsShardsOfBothStylesInTheOrderOfTheirNames) {
  const StreamMap map(Of({"stream: x - b@h - 0", "stream: x - a@h - 1", "sharding: x - a@h - 0"}));
  const SeenStream* stream = map.OfExchange("/", "x");
  ASSERT_NE(stream, nullptr);
  ASSERT_EQ(stream->shards.size(), 3u);
  EXPECT_EQ(stream->shards[0].queue, "sharding: x - a@h - 0");
  EXPECT_EQ(stream->shards[2].queue, "stream: x - b@h - 0");
  EXPECT_EQ(stream->Find("stream: x - a@h - 1"), &stream->shards[1]);
  EXPECT_EQ(stream->Find("stream: x - a@h - 2"), nullptr);
  EXPECT_EQ(map.FindShard("/", "stream: x - a@h - 1"), &stream->shards[1]);
  EXPECT_EQ(map.FindShard("/", "stream: y - a@h - 1"), nullptr);
  EXPECT_EQ(map.NodeOf("/", "stream: x - a@h - 1"), "a@h");
  EXPECT_EQ(map.NodeOf("/", "stream: y - a@h - 1"), "");
}

TEST(StreamMap, LeavesNamesToOrdinaryQueues) {
  StreamMap map(Of({"stream: shard.logs - a@h - 0", "logs"}));
  EXPECT_EQ(map.Find("/", "logs"), nullptr);
  EXPECT_EQ(ExchangeOf(map.Find("/", "shard.logs")), "shard.logs");
  map = StreamMap(Of({"stream: shard.logs - a@h - 0", "shard.logs"}));
  EXPECT_EQ(map.Find("/", "shard.logs"), nullptr);
  EXPECT_EQ(ExchangeOf(map.Find("/", "logs")), "shard.logs");
  EXPECT_EQ(ExchangeOf(map.OfExchange("/", "shard.logs")), "shard.logs");
}

TEST(StreamMap, TakesNoShortNameThatMeansTwoStreams) {
  StreamMap map(Of({"stream: a.logs - a@h - 0", "stream: b.logs - a@h - 0", "stream: c.logs - a@h - 0"}));
  EXPECT_EQ(map.Find("/", "logs"), nullptr);
  map = StreamMap(Of({"stream: a.logs - a@h - 0", "stream: logs - a@h - 0"}));
  EXPECT_EQ(ExchangeOf(map.Find("/", "logs")), "logs");
}

TEST(StreamMap, KeepsVirtualHostsApart) {
  Topology seen = Of({"stream: a.logs - a@h - 0"});
  seen.queues.push_back(QueueOf("stream: b.logs - a@h - 0", "a@h", "running", "other"));
  seen.queues.push_back(QueueOf("b.logs", "a@h", "running", "/"));
  const StreamMap map(seen);
  EXPECT_EQ(ExchangeOf(map.Find("/", "logs")), "a.logs");
  EXPECT_EQ(ExchangeOf(map.Find("other", "logs")), "b.logs");
  EXPECT_EQ(ExchangeOf(map.Find("other", "b.logs")), "b.logs");
  EXPECT_EQ(map.Find("third", "logs"), nullptr);
}

TEST(StreamMap, NeverTakesReservedExchangesForStreams) {
  const StreamMap map(Of({"stream: amq.direct - a@h - 0"}));
  EXPECT_TRUE(map.streams().empty());
  EXPECT_EQ(map.Find("/", "direct"), nullptr);
}

TEST(StreamMap, TellsWhichShardsAreUpAndInService) {
  Topology seen;
  seen.queues = {QueueOf("stream: x - a@h - 0"), QueueOf("stream: x - b@h - 0", "b@h", "down"),
                 QueueOf("stream: x - c@h - 0", "c@h", "stopped"), QueueOf("stream: x - d@h - 0", "e@h", "idle")};
  // The default exchange routes to every queue; a place of stable placement is called as its queue.
  for (const Queue& queue : seen.queues) seen.bindings.push_back(BindingOf("", queue.name));
  seen.bindings.push_back(BindingOf("x", "stream: x - a@h - 0"));
  seen.bindings.push_back(BindingOf("stream: x - b@h - 0", "stream: x - b@h - 0"));
  seen.bindings.push_back(BindingOf("warren.draining", "stream: x - c@h - 0"));
  Binding to_place = BindingOf("x", "stream: x - d@h - 0");
  to_place.to_queue = false;
  seen.bindings.push_back(to_place);
  seen.queues[3].ready = 2;
  seen.queues[3].unacked = 1;
  seen.queues[3].consumers = 4;
  seen.queues[0].ready = 2;
  const StreamMap map(seen);
  const SeenStream* stream = map.OfExchange("/", "x");
  ASSERT_EQ(stream->shards.size(), 4u);
  std::string up, in_service;
  for (const SeenShard& shard : stream->shards) {
    up += shard.up ? '+' : '-';
    in_service += shard.in_service ? '+' : '-';
  }
  EXPECT_EQ(up, "+--+");
  EXPECT_EQ(in_service, "++--");
  EXPECT_EQ(stream->shards[3].node, "e@h");
  EXPECT_EQ(stream->shards[3].messages, 3u);
  EXPECT_EQ(stream->shards[3].consumers, 4u);
  EXPECT_FALSE(stream->shards[0].messages.has_value()) << "what is unacknowledged is not known";
}

TEST(StreamMap, IsConcernedByShardsAndByNamesOfStreamsWhetherHiddenOrNot) {
  const StreamMap map(Of({"stream: shard.logs - a@h - 0", "logs"}));
  EXPECT_TRUE(map.Concerns("/", "stream: other - a@h - 0"));
  EXPECT_TRUE(map.Concerns("/", "logs"));
  EXPECT_TRUE(map.Concerns("/", "shard.logs"));
  EXPECT_FALSE(map.Concerns("other", "logs"));
  EXPECT_FALSE(map.Concerns("/", "amq.gen-1"));
}

}  // namespace
}  // namespace warren::gateway
