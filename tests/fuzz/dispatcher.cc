// The dispatcher under any order of events: requests, confirms, returns, nacks, answers good and damaged,
// dead letters, lost connections and nodes, alarms, time. Two bytes of the input are one event.
//
// Rules: a request that is not abandoned is answered exactly once, by its deadline at the latest, and with
// its own answer; one that is not retry-safe is published again only when every earlier publishing was
// returned or dead-lettered; nothing is published without both connections; workers whose copy is not the answer
// are told, and nobody else; of those who claim a copy one is told that it may run it; at the end no token is known any
// more.
#include "proxy/http/dispatcher.h"

#include <array>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "shardmgr/broker/amqp/types.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/targets.h"

namespace warren::fuzz {
namespace {

using proxy::Milliseconds;

struct Message {
  std::uint64_t tag = 0;
  std::string token;
  std::uint64_t epoch = 0;  ///< Of the channels.
  proxy::Transport::Receipt receipt{0};
  bool confirmed = false, returned = false;
  bool doubtful = false;    ///< Nacked, or lost before its confirm.
  bool dead = false;        ///< Dead-lettered.
  bool answer = false;      ///< The first answer was to this copy.
  int attempts = 0;         ///< Accepts and claims, each by a worker of its own unless it claims again.
  int owner = 0;            ///< The first of them, which alone may run what must not run twice.
  int holder = 0;           ///< The last that was taken in.
  std::set<int> told = {};  ///< Attempts that got a cancel.
  bool certain() const { return !returned && !doubtful && !dead; }
};

struct Asked {
  proxy::Dispatcher::Id id;
  proxy::TimePoint deadline;
  bool safe = false, answered = false, abandoned = false;
  bool live() const { return !answered && !abandoned; }
};

class World : public proxy::Transport, public proxy::AnswerSink {
 public:
  World() : dispatcher_(Options(), *this, stats_) {}

  void Event(std::uint8_t kind, std::uint8_t detail);
  void Finish();

  Result<Receipt> Publish(wire::Request& request, std::string_view, std::string_view correlation_id,
                          Milliseconds expiration) override {
    if (refusal_) return warren::Fail(*refusal_, "refused");
    const std::uint64_t tag = std::stoull(request.id);
    Require(publish_up_ && reply_up_, "published while a connection was down");
    const auto asked = asked_.find(tag);
    if (asked != asked_.end()) {  // The first publishing may be inside of Submit.
      Require(asked->second.live(), "published for nobody");
      Require(expiration <= asked->second.deadline - now_ || expiration <= Milliseconds(1), "it expires in time");
    }
    Require(expiration >= Milliseconds(1), "an expiration is at least 1");
    Require(by_token_.emplace(correlation_id, messages_.size()).second, "a token is used once");
    for (const std::size_t at : by_tag_[tag]) {
      Require(request.retry_safe || messages_[at].returned || messages_[at].dead,
              "a request that may not run twice went out twice");
    }
    by_tag_[tag].push_back(messages_.size());
    const std::size_t channel = messages_.size() % kChannels;
    const Receipt receipt(++sequences_[channel], channel);
    messages_.push_back({tag, std::string(correlation_id), epoch_, receipt});
    return receipt;
  }

  void Cancel(std::string_view inbox, std::string_view correlation_id, std::string_view attempt) override {
    Message* message = Find(correlation_id);
    Require(message != nullptr && message->attempts > 0, "a cancel for what nobody accepted");
    Require(!message->answer || claiming_ != 0, "a cancel for the copy that was the answer");
    const int told = std::stoi(std::string(attempt));
    Require(inbox == "inbox-" + std::string(attempt), "a cancel goes where the attempt is");
    Require(told == message->holder || told == message->attempts || told == claiming_,
            "a cancel goes to who has it now");
    message->told.insert(told);
  }

  void Grant(std::string_view inbox, std::string_view correlation_id, std::string_view attempt) override {
    Message* message = Find(correlation_id);
    Require(message != nullptr && claiming_ != 0, "a grant for what nobody claimed");
    Require(asked_[message->tag].live(), "a grant for what nobody waits for");
    Require(attempt == std::to_string(claiming_) && inbox == "inbox-" + std::string(attempt),
            "a grant goes to who asked");
    Require(message->owner == 0 || message->owner == claiming_, "two may run the same copy");
    granted_ = true;
  }

  void OnAnswer(std::uint64_t tag, proxy::Outcome&& outcome) override {
    Asked& asked = asked_[tag];  // Made here when the answer comes from inside of Submit.
    Require(!asked.answered, "answered twice");
    Require(!asked.abandoned, "answered though nobody waited");
    asked.answered = true;
    if (const auto* response = std::get_if<wire::Response>(&outcome.answer)) {
      Require(response->body == std::to_string(tag), "an answer to another request: ", response->body);
    } else {
      const auto& failure = std::get<proxy::Failure>(outcome.answer);
      Require(failure.status >= 400 && failure.status <= 599 && !failure.reason.empty(), "a failure says what it is");
    }
  }

 private:
  static proxy::DispatcherOptions Options() {
    proxy::DispatcherOptions options;
    options.exchange = "shard.web";
    return options;
  }

  void Submit(bool safe) {
    const std::uint64_t tag = next_tag_++;
    proxy::Job job;
    job.request.id = std::to_string(tag);
    job.request.method = safe ? "GET" : "POST";
    job.request.retry_safe = safe;
    job.routing_key = "k";
    const auto id = dispatcher_.Submit(now_, std::move(job), sink_, tag);
    Asked& asked = asked_[tag];
    asked.id = id;
    asked.deadline = now_ + Options().timeout;
    asked.safe = safe;
  }

  /// The `which`-th message from the last that `fits`, or null.
  template <class Fits>
  Message* Pick(std::size_t which, Fits fits) {
    for (auto message = messages_.rbegin(); message != messages_.rend(); ++message) {
      if (fits(*message) && which-- == 0) return &*message;
    }
    return nullptr;
  }
  Message* PickUnconfirmed(std::size_t which) {
    return Pick(which, [this](const Message& m) { return publish_up_ && m.epoch == epoch_ && !m.confirmed; });
  }

  Message* Find(std::string_view token) {
    const auto found = by_token_.find(token);
    return found == by_token_.end() ? nullptr : &messages_[found->second];
  }

  void Reply(Message& message, bool damaged) {
    const bool was_live = asked_[message.tag].live();
    message.answer = message.answer || was_live;
    amqp_basic_properties_t properties{};
    properties._flags = AMQP_BASIC_CORRELATION_ID_FLAG;
    properties.correlation_id = amqp::Bytes(message.token);
    dispatcher_.OnReply(now_, properties, std::to_string(message.tag), damaged);
    const bool is_answered = asked_[message.tag].answered;
    Require(!was_live || !message.certain() || is_answered, "the first answer counts");
    if (was_live && !is_answered) message.answer = false;
  }

  void Accept(Message& message) {
    const int attempt = ++message.attempts;
    if (asked_[message.tag].live()) {
      message.holder = attempt;
      if (message.owner == 0) message.owner = attempt;
    }
    wire::ControlEncoder encoder;
    const std::string name = std::to_string(attempt);
    dispatcher_.OnReply(now_, encoder.EncodeAccept(message.token, "inbox-" + name, name), {}, false);
  }

  /// Another worker claims it, or who has it claims it again.
  void Claim(Message& message, bool again) {
    const int attempt = again && message.owner != 0 ? message.owner : ++message.attempts;
    const bool lives = asked_[message.tag].live();
    const bool first = message.owner == 0 || message.owner == attempt;
    claiming_ = attempt;
    granted_ = false;
    message.told.erase(attempt);
    wire::ControlEncoder encoder;
    const std::string name = std::to_string(attempt);
    dispatcher_.OnReply(now_, encoder.EncodeClaim(message.token, "inbox-" + name, name), {}, false);
    claiming_ = 0;
    Require(granted_ || message.told.count(attempt) == 1, "a claim is answered");
    if (granted_) message.owner = message.holder = attempt;
    Require(!lives || granted_ || !first || !message.certain(), "the first is granted");
    Require(!lives || granted_ || !message.certain() || message.holder == 0 || message.told.count(message.holder) == 1,
            "who had it is told");
  }

  void PublishDown() {
    publish_up_ = false;
    for (Message& message : messages_) {
      if (message.epoch == epoch_ && !message.confirmed) message.doubtful = true;
    }
    ++epoch_;
    sequences_ = {};
  }

  void Pass(Milliseconds time) {
    now_ += time;
    dispatcher_.Tick(now_);
    for (const auto& [tag, asked] : asked_) {
      Require(!asked.live() || asked.deadline > now_, "a deadline passed without an answer");
    }
  }

  proxy::TimePoint now_{std::chrono::hours(1)};
  proxy::DispatcherStats stats_;
  std::shared_ptr<proxy::AnswerSink> sink_{this, [](proxy::AnswerSink*) {}};
  std::map<std::uint64_t, Asked> asked_;
  std::vector<Message> messages_;
  std::map<std::string, std::size_t, std::less<>> by_token_;
  std::map<std::uint64_t, std::vector<std::size_t>> by_tag_;
  std::uint64_t next_tag_ = 1, epoch_ = 0;
  std::array<std::uint64_t, kChannels> sequences_{};
  bool publish_up_ = false, reply_up_ = false, granted_ = false;
  int claiming_ = 0;  ///< The attempt.
  std::optional<ErrorCode> refusal_;
  proxy::Dispatcher dispatcher_;  // Last: it ends first.
};

void World::Event(std::uint8_t kind, std::uint8_t detail) {
  const auto any = [](const Message&) { return true; };
  switch (kind % 22) {
    case 0:
    case 1: return Submit(true);
    case 2: return Submit(false);
    case 3:
      if (const auto asked = asked_.find(next_tag_ - 1 - detail % 8); asked != asked_.end()) {
        asked->second.abandoned = asked->second.abandoned || !asked->second.answered;
        dispatcher_.Abandon(asked->second.id);
      }
      return;
    case 4:
      if (publish_up_) PublishDown(), dispatcher_.OnPublishDown(now_);
      publish_up_ = true;
      return dispatcher_.OnPublishUp(now_);
    case 5: PublishDown(); return dispatcher_.OnPublishDown(now_);
    case 6: PublishDown(); return dispatcher_.OnExchangeMissing(now_);
    case 7: reply_up_ = true; return dispatcher_.OnReplyQueueUp(now_);
    case 8: reply_up_ = false; return dispatcher_.OnReplyQueueDown(now_);
    case 9: return dispatcher_.OnBlocked(detail % 2 == 0);
    case 10:
    case 11:
      if (Message* message = PickUnconfirmed(detail % 8)) {
        message->confirmed = true;
        message->doubtful = kind % 22 == 11;
        dispatcher_.OnConfirm(now_, message->receipt, kind % 22 == 10);
      }
      return;
    case 12:
      if (Message* message = PickUnconfirmed(detail % 8); message != nullptr && !message->returned) {
        message->returned = true;
        dispatcher_.OnReturn(now_, message->token);
      }
      return;
    case 13:
    case 14:
      if (Message* message = Pick(detail % 16, any)) Reply(*message, kind % 22 == 14 && detail >= 128);
      return;
    case 15:
      if (Message* message = Pick(detail % 8, any)) {
        message->dead = true;
        static constexpr const char* kReasons[] = {"expired", "maxlen", "delivery_limit", "rejected"};
        dispatcher_.OnDeadLetter(message->token, kReasons[detail / 8 % 4]);
      }
      return;
    case 16: return dispatcher_.OnNodeLost(now_);
    case 17: return dispatcher_.SetNoConsumers(detail % 2 == 0);
    case 18: {
      static constexpr std::optional<ErrorCode> kRefusals[] = {std::nullopt, ErrorCode::kInvalid,
                                                               ErrorCode::kUnavailable};
      refusal_ = kRefusals[detail % 3];
      return;
    }
    case 20:
      if (Message* message = Pick(detail % 8, any)) detail < 128 ? Accept(*message) : Claim(*message, detail >= 192);
      return;
    case 21: return dispatcher_.OnNodeBack(now_);
    default: return Pass(Milliseconds(1u << detail % 14));
  }
}

void World::Finish() {
  Require(dispatcher_.in_flight() == static_cast<std::size_t>(std::count_if(
                                         asked_.begin(), asked_.end(), [](const auto& a) { return a.second.live(); })),
          "what is in flight is what waits");
  Pass(Options().timeout);
  Require(dispatcher_.in_flight() == 0 && stats_.in_flight == 0, "nothing waits for ever");
  for (const Message& message : messages_) {
    Require(message.holder == 0 || message.answer || message.told.count(message.holder) == 1 || !message.certain(),
            "a worker works for nobody and is not told");
  }
  const std::uint64_t before = stats_.unknown_replies;
  for (Message& message : messages_) Reply(message, false);
  Require(stats_.unknown_replies == before + messages_.size(), "no token outlives its request");
  Pass(Options().timeout);
}

}  // namespace

void Dispatcher(std::string_view bytes) {
  constexpr std::size_t kMaxEvents = 600;
  World world;
  Reader reader(bytes);
  if (reader.Byte() % 4 != 0) {  // Most inputs begin with both connections up.
    world.Event(7, 0);
    world.Event(4, 0);
  }
  for (std::size_t events = 0; !reader.empty() && events < kMaxEvents; ++events) {
    const std::uint8_t kind = reader.Byte();
    world.Event(kind, reader.Byte());
  }
  world.Finish();
}

}  // namespace warren::fuzz
