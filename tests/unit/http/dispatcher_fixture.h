// A dispatcher between a recording transport and a recording sink, with time told by hand.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "proxy/http/dispatcher.h"
#include "shardmgr/broker/amqp/types.h"

namespace warren::proxy {

class FakeTransport : public Transport {
 public:
  struct Message {
    std::string method, routing_key, token;
    Milliseconds expiration;
  };

  Result<Receipt> Publish(wire::Request& request, std::string_view routing_key, std::string_view correlation_id,
                          Milliseconds expiration) override {
    if (refuse) return tl::unexpected(*refuse);
    messages.push_back({request.method, std::string(routing_key), std::string(correlation_id), expiration});
    return ++sequence;
  }

  struct CancelMessage {
    std::string inbox, token, attempt;
    bool operator==(const CancelMessage&) const = default;
  };
  void Cancel(std::string_view inbox, std::string_view correlation_id, std::string_view attempt) override {
    cancels.push_back({std::string(inbox), std::string(correlation_id), std::string(attempt)});
  }

  void Grant(std::string_view inbox, std::string_view correlation_id, std::string_view attempt) override {
    grants.push_back({std::string(inbox), std::string(correlation_id), std::string(attempt)});
  }

  std::deque<Message> messages;
  std::vector<CancelMessage> cancels, grants;
  std::uint64_t sequence = 0;
  std::optional<Error> refuse;
};

class FakeSink : public AnswerSink {
 public:
  void OnAnswer(std::uint64_t tag, Outcome&& outcome) override {
    EXPECT_EQ(answers.count(tag), 0u) << "answered twice: " << tag;
    answers.emplace(tag, std::move(outcome));
  }
  std::map<std::uint64_t, Outcome> answers;
};

class DispatcherTest : public ::testing::Test {
 protected:
  DispatcherTest() : dispatcher_(Options(), transport_, stats_) {}

  static DispatcherOptions Options() {
    DispatcherOptions options;
    options.exchange = "shard.web";
    return options;
  }

  void Up() {
    dispatcher_.OnReplyQueueUp(now_);
    dispatcher_.OnPublishUp(now_);
  }

  Dispatcher::Id Submit(std::uint64_t tag, const std::string& method = "GET") {
    Job job;
    job.request.method = method;
    job.request.retry_safe = wire::IsRetrySafe(method, {});
    job.routing_key = "key-" + std::to_string(tag);
    return dispatcher_.Submit(now_, std::move(job), sink_, tag);
  }

  void Pass(Milliseconds time) {
    for (const TimePoint end = now_ + time; now_ < end;) {
      now_ += Milliseconds(10);
      dispatcher_.Tick(now_);
    }
  }

  void Reply(const std::string& token, const std::string& body = "ok") {
    amqp_basic_properties_t properties{};
    properties._flags = AMQP_BASIC_CORRELATION_ID_FLAG;
    properties.correlation_id = amqp::Bytes(token);
    dispatcher_.OnReply(now_, properties, std::string(body), false);
  }

  void Accept(const std::string& token, const std::string& inbox = "inbox", const std::string& attempt = "attempt") {
    wire::ControlEncoder encoder;
    dispatcher_.OnReply(now_, encoder.EncodeAccept(token, inbox, attempt), "", false);
  }

  void Claim(const std::string& token, const std::string& inbox = "inbox", const std::string& attempt = "attempt") {
    wire::ControlEncoder encoder;
    dispatcher_.OnReply(now_, encoder.EncodeClaim(token, inbox, attempt), "", false);
  }

  /// Status of the answer to `tag`; 0: not answered.
  int Status(std::uint64_t tag) const {
    const auto found = sink_->answers.find(tag);
    if (found == sink_->answers.end()) return 0;
    const auto& answer = found->second.answer;
    return answer.index() == 0 ? std::get<wire::Response>(answer).status : std::get<Failure>(answer).status;
  }
  bool RetryLater(std::uint64_t tag) const { return std::get<Failure>(sink_->answers.at(tag).answer).retry_later; }
  const std::string& Token(std::size_t message) const { return transport_.messages.at(message).token; }

  TimePoint now_{std::chrono::hours(1)};
  FakeTransport transport_;
  DispatcherStats stats_;
  std::shared_ptr<FakeSink> sink_ = std::make_shared<FakeSink>();
  Dispatcher dispatcher_;
};

}  // namespace warren::proxy
