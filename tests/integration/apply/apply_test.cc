// Plans made by hand, carried out on a real broker: groups and their order, what is not there any more, what is
// in use, and failures that stay where they belong. Run by `deploy/cluster/cluster run`.
#include "coordinator/apply.h"

#include <gtest/gtest.h>

#include <boost/asio/post.hpp>
#include <condition_variable>
#include <cstdlib>
#include <future>
#include <mutex>

#include "coordinator/clock.h"
#include "shardmgr/broker/management/client.h"
#include "shardmgr/plan/naming.h"

namespace warren::coordinator {
namespace {

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

class ApplyTest : public testing::Test {
 protected:
  ApplyTest()
      : client_(ClientOptions()), pool_(Options()), applier_(pool_, [this](const StreamOutcome& outcome) {
          const std::lock_guard lock(mutex_);
          late_.push_back(outcome);
          came_.notify_all();
        }) {
    Node node;
    node.name = kNode;
    node.running = true;
    EXPECT_TRUE(pool_.Probe({node}).empty());
    // Names are new in each run of each test: the cluster may be an old one.
    prefix_ = "apply " + std::to_string(NowMs()) + " ";
    exchange_ = prefix_ + "x";
    Exchange exchange;
    exchange.vhost = "/";
    exchange.name = exchange_;
    exchange.type = "x-consistent-hash";
    exchange.durable = true;
    EXPECT_TRUE(client_.PutExchange(exchange));
  }

  static PoolOptions Options() {
    PoolOptions options;
    options.node_addresses = {{kNode, *amqp::ParseEndpoint(Environment("WARREN_TEST_AMQP"))}};
    return options;
  }
  static management::ClientOptions ClientOptions() {
    management::ClientOptions options;
    options.urls = {Environment("WARREN_TEST_MANAGEMENT")};
    return options;
  }

  Action Make(ActionKind kind, const std::string& queue, const std::string& key = "1") const {
    Action action;
    action.kind = kind;
    action.vhost = "/";
    action.exchange = exchange_;
    action.queue = prefix_ + queue;
    action.node = kNode;
    action.routing_key = key;
    return action;
  }
  Action Quorum(Action action) const {
    action.declare_as.type = QueueType::kQuorum;
    return action;
  }

  StreamOutcome Run(std::vector<Action> actions) { return RunBy(applier_, std::move(actions)); }
  StreamOutcome RunBy(Applier& applier, std::vector<Action> actions, std::uint64_t term = 0) {
    Plan plan;
    StreamPlan stream;
    stream.vhost = "/";
    stream.exchange = exchange_;
    stream.actions = std::move(actions);
    plan.streams = {stream};
    auto outcomes = applier.Apply(
        plan, [] { return false; }, term);
    if (outcomes.empty() && &applier == &applier_) outcomes = TakeLate();
    EXPECT_EQ(outcomes.size(), 1u);
    return outcomes.empty() ? StreamOutcome{} : outcomes[0];
  }
  /// What Apply did not wait for, on a machine that has other things to do.
  std::vector<StreamOutcome> TakeLate() {
    std::unique_lock lock(mutex_);
    came_.wait_for(lock, std::chrono::seconds(60), [this] { return !late_.empty(); });
    return std::exchange(late_, {});
  }
  static std::string Marks(const StreamOutcome& outcome) {  // '+' done, '-' failed, '.' not attempted
    std::string marks;
    for (const ActionOutcome& action : outcome.actions) marks += !action.attempted ? '.' : action.result ? '+' : '-';
    return marks;
  }
  bool Exists(const std::string& queue) { return client_.GetQueue("/", prefix_ + queue).has_value(); }
  std::vector<std::string> BoundKeys(const std::string& queue) {
    std::vector<std::string> keys;
    const auto bindings = client_.ListBindingsFromExchange("/", exchange_).value_or(std::vector<Binding>());
    for (const Binding& binding : bindings) {
      if (binding.destination == prefix_ + queue) keys.push_back(binding.routing_key);
    }
    return keys;
  }
  /// Puts a message into the queue, and waits until it is there.
  void Publish(const std::string& queue) {
    std::promise<void> confirmed;
    boost::asio::post(pool_.executor(), [&] {
      pool_.Get({kNode, "/"}, [&](const Result<std::shared_ptr<amqp::Connection>>& connection) {
        channel_ = (*connection)->OpenChannel();
        channel_->SetHandlers({.on_confirm = [&](std::uint64_t, bool) { confirmed.set_value(); }});
        channel_->SelectConfirms({});
        (void)channel_->Publish("", prefix_ + queue, true, amqp_basic_properties_t{}, "x");
      });
    });
    ASSERT_EQ(confirmed.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
    boost::asio::post(pool_.executor(), [channel = std::move(channel_)] {});
  }

  static constexpr const char* kNode = "the node";
  std::mutex mutex_;
  std::condition_variable came_;
  std::vector<StreamOutcome> late_;
  management::Client client_;
  NodePool pool_;
  Applier applier_;
  std::shared_ptr<amqp::Channel> channel_;
  std::string prefix_, exchange_;
};

TEST_F(ApplyTest, DeclaresBindsMarksUnbindsAndDeletesInTheOrderGiven) {
  auto drain = Make(ActionKind::kDeclareDrainExchange, "");
  drain.exchange = kDrainExchange;
  const auto outcome = Run(
      {drain, Make(ActionKind::kDeclareShard, "a"), Make(ActionKind::kDeclareShard, "b"),
       Quorum(Make(ActionKind::kDeclareShard, "c")), Make(ActionKind::kMarkDraining, "a", exchange_),
       Make(ActionKind::kBindShard, "a"), Make(ActionKind::kBindShard, "b"), Make(ActionKind::kBindShard, "c"),
       Make(ActionKind::kUnbindShard, "a"), Make(ActionKind::kUnbindShard, "c"), Make(ActionKind::kBindShard, "c", "2"),
       Make(ActionKind::kUnmarkDraining, "a", exchange_), Make(ActionKind::kDeleteShard, "a")});
  EXPECT_EQ(Marks(outcome), std::string(13, '+')) << outcome.failure()->result.error().ToString();
  EXPECT_FALSE(Exists("a"));
  EXPECT_EQ(BoundKeys("b"), std::vector<std::string>{"1"});
  EXPECT_EQ(BoundKeys("c"), std::vector<std::string>{"2"});
  EXPECT_EQ(client_.GetQueue("/", prefix_ + "c")->type, "quorum");
  EXPECT_EQ(outcome.succeeded(), 13u);
}

TEST_F(ApplyTest, BuildsThePlacesOfStablePlacementAndTakesThemDownTwiceOver) {
  const std::string shard = ShardName(exchange_, "n@h", 0);
  const auto of = [&](ActionKind kind, const std::string& exchange, const std::string& to) {
    Action action = Make(kind, "");
    action.exchange = exchange;
    action.queue = to;
    return action;
  };
  const auto alternate = of(ActionKind::kDeclareShardExchange, AlternateName(shard), shard);
  const auto own = of(ActionKind::kDeclareShardExchange, shard, shard);
  const auto place = of(ActionKind::kBindExchange, exchange_, shard);
  const auto unplace = of(ActionKind::kUnbindExchange, exchange_, shard);
  const auto remove = of(ActionKind::kDeleteShardExchange, shard, shard);
  const auto remove_alternate = of(ActionKind::kDeleteShardExchange, AlternateName(shard), shard);
  const auto onward = of(ActionKind::kBindExchange, AlternateName(shard), exchange_);
  const auto back = of(ActionKind::kUnbindExchange, AlternateName(shard), exchange_);
  for (int time = 0; time < 2; ++time) EXPECT_EQ(Marks(Run({alternate, own, onward, place})), "++++");
  const auto bindings = client_.ListBindingsFromExchange("/", exchange_);
  ASSERT_EQ(bindings->size(), 1u);
  EXPECT_FALSE(bindings->front().to_queue);
  // In use; the next one is gone all the same, as the failure of one says nothing of the other.
  EXPECT_EQ(Marks(Run({remove_alternate, remove})), "-+");
  for (int time = 0; time < 2; ++time) EXPECT_EQ(Marks(Run({unplace, back, remove_alternate, remove})), "++++");
}

TEST_F(ApplyTest, DoneTwiceItIsTheSame) {
  const std::vector<Action> actions = {Make(ActionKind::kDeclareShard, "a"), Make(ActionKind::kBindShard, "a"),
                                       Make(ActionKind::kDeleteShard, "gone")};
  EXPECT_EQ(Marks(Run(actions)), "+++");
  EXPECT_EQ(Marks(Run(actions)), "+++");
  EXPECT_EQ(BoundKeys("a"), std::vector<std::string>{"1"});
}

/// What two leaders that overlap do at worst: the same, at the same time. Whoever comes late may be refused what the
/// other has done away with, or bring it back; the next look puts that right.
TEST_F(ApplyTest, DoneByTwoAtOnceNothingIsLeftThatOneCannotPutRight) {
  auto drain = Make(ActionKind::kDeclareDrainExchange, "");
  drain.exchange = kDrainExchange;
  std::vector<Action> actions = {drain};
  for (int i = 0; i < 20; ++i) actions.push_back(Make(ActionKind::kDeclareShard, std::to_string(i)));
  for (int i = 0; i < 20; ++i) actions.push_back(Make(ActionKind::kMarkDraining, std::to_string(i), exchange_));
  for (int i = 0; i < 20; ++i) actions.push_back(Make(ActionKind::kBindShard, std::to_string(i)));
  for (int i = 10; i < 20; ++i) actions.push_back(Make(ActionKind::kUnbindShard, std::to_string(i)));
  for (int i = 0; i < 20; ++i) actions.push_back(Make(ActionKind::kUnmarkDraining, std::to_string(i), exchange_));
  for (int i = 15; i < 20; ++i) actions.push_back(Make(ActionKind::kDeleteShard, std::to_string(i)));
  NodePool other_pool(Options());
  Node node;
  node.name = kNode;
  node.running = true;
  EXPECT_TRUE(other_pool.Probe({node}).empty());
  Applier other(other_pool);
  auto theirs = std::async(std::launch::async, [&] { return RunBy(other, actions); });
  for (const StreamOutcome& outcome : {Run(actions), theirs.get()}) {
    const ActionOutcome* failure = outcome.failure();
    EXPECT_TRUE(failure == nullptr || failure->result.error().code == ErrorCode::kNotFound);
  }
  EXPECT_EQ(Marks(Run(actions)), std::string(actions.size(), '+'));
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(Exists(std::to_string(i)), i < 15) << i;
    EXPECT_EQ(BoundKeys(std::to_string(i)).size(), i < 10 ? 1u : 0u) << i;
  }
}

/// Says yes so many times, and notes what had to be fresh.
class FakeWarrant : public Warrant {
 public:
  explicit FakeWarrant(int yes) : yes_(yes) {}
  std::uint64_t term() const override { return 1; }
  void Confirm(std::uint64_t term, bool fresh, std::function<void(bool)> done) override {
    fresh_ += fresh ? '!' : '-';
    done(term == 1 && yes_-- > 0);
  }
  std::string fresh_;

 private:
  int yes_;
};

TEST_F(ApplyTest, NothingIsSentOnceTheLeadIsLost) {
  const std::vector<Action> actions = {Make(ActionKind::kDeclareShard, "a"), Make(ActionKind::kDeclareShard, "b"),
                                       Make(ActionKind::kBindShard, "a"),    Make(ActionKind::kUnbindShard, "a"),
                                       Make(ActionKind::kDeleteShard, "a"),  Make(ActionKind::kDeleteShard, "b")};
  const std::string expected[] = {"......", "++....", "+++...", "++++..", "+++++.", "++++++"};
  for (int yes = 0; yes <= 5; ++yes) {
    FakeWarrant warrant(yes);
    NodePool pool(Options());
    Node node;
    node.name = kNode;
    node.running = true;
    EXPECT_TRUE(pool.Probe({node}).empty());
    Applier applier(pool, {}, &warrant);
    const auto outcome = RunBy(applier, actions, 1);
    EXPECT_EQ(Marks(outcome), expected[yes]);
    EXPECT_EQ(outcome.failure(), nullptr);
    EXPECT_EQ(warrant.fresh_, std::string("--!!!").substr(0, std::min(yes + 1, 5)));
  }
  FakeWarrant warrant(9);
  Applier applier(pool_, {}, &warrant);
  EXPECT_EQ(Marks(RunBy(applier, actions, 2)), "......");
}

TEST_F(ApplyTest, WhatIsNotThereIsAsGoodAsTakenAwayAndTheRestOfTheGroupIsCarriedOut) {
  EXPECT_EQ(Marks(Run({Make(ActionKind::kDeclareShard, "a"), Quorum(Make(ActionKind::kDeclareShard, "b"))})), "++");
  // The passive declare of a quorum queue that is gone closes the channel.
  const auto outcome =
      Run({Make(ActionKind::kUnbindShard, "gone"), Make(ActionKind::kUnbindShard, "a", "77"),
           Quorum(Make(ActionKind::kDeleteShard, "gone 1")), Quorum(Make(ActionKind::kDeleteShard, "gone 2")),
           Quorum(Make(ActionKind::kDeleteShard, "b")), Make(ActionKind::kDeleteShard, "gone 3"),
           Make(ActionKind::kDeleteShard, "a")});
  EXPECT_EQ(Marks(outcome), "+++++++");
  EXPECT_FALSE(Exists("a"));
  EXPECT_FALSE(Exists("b"));
}

TEST_F(ApplyTest, QueuesThatHoldMessagesAreNotDeletedAndOthersAre) {
  EXPECT_EQ(Marks(Run({Make(ActionKind::kDeclareShard, "a"), Make(ActionKind::kDeclareShard, "b"),
                       Quorum(Make(ActionKind::kDeclareShard, "c")), Quorum(Make(ActionKind::kDeclareShard, "d"))})),
            "++++");
  Publish("a");
  Publish("c");
  const auto outcome = Run({Make(ActionKind::kDeleteShard, "a"), Make(ActionKind::kDeleteShard, "b"),
                            Quorum(Make(ActionKind::kDeleteShard, "c")), Quorum(Make(ActionKind::kDeleteShard, "d"))});
  EXPECT_EQ(Marks(outcome), "-+-+");
  EXPECT_NE(outcome.actions[0].result.error().ToString().find("not empty"), std::string::npos);
  EXPECT_NE(outcome.actions[2].result.error().ToString().find("holds 1 messages and has 0 consumers"),
            std::string::npos);
  EXPECT_TRUE(Exists("a") && Exists("c"));
  EXPECT_FALSE(Exists("b") || Exists("d"));
}

TEST_F(ApplyTest, AFailureEndsItsStreamAfterItsGroupAndTheConnectionLives) {
  EXPECT_EQ(Marks(Run({Make(ActionKind::kDeclareShard, "a")})), "+");
  auto other = Make(ActionKind::kDeclareShard, "a");
  other.declare_as.arguments = {{"x-max-length", 5}};
  const auto conflict = Run({other, Make(ActionKind::kDeclareShard, "b"), Make(ActionKind::kBindShard, "a")});
  EXPECT_EQ(Marks(conflict), "-+.");
  ASSERT_NE(conflict.failure(), nullptr);
  EXPECT_EQ(conflict.failure()->result.error().code, ErrorCode::kConflict);
  const auto bind = Run({Make(ActionKind::kBindShard, "missing"), Make(ActionKind::kBindShard, "a"),
                         Make(ActionKind::kDeleteShard, "b")});
  EXPECT_EQ(Marks(bind), "-..");
  EXPECT_TRUE(Exists("b"));
  EXPECT_EQ(pool_.open_connections(), 1u);
  EXPECT_EQ(Marks(Run({Make(ActionKind::kBindShard, "a")})), "+");
}

TEST_F(ApplyTest, ManyQueuesGoThroughInOneGroup) {
  std::vector<Action> actions;
  for (int i = 0; i < 200; ++i) actions.push_back(Make(ActionKind::kDeclareShard, std::to_string(i)));
  for (int i = 0; i < 200; ++i) actions.push_back(Make(ActionKind::kBindShard, std::to_string(i)));
  for (int i = 0; i < 200; ++i) actions.push_back(Make(ActionKind::kUnbindShard, std::to_string(i)));
  for (int i = 0; i < 200; ++i) actions.push_back(Make(ActionKind::kDeleteShard, std::to_string(i)));
  EXPECT_EQ(Marks(Run(actions)), std::string(800, '+'));
}

TEST_F(ApplyTest, AUserWithoutAPasswordOrWithAWrongOneFailsItsStreamAlone) {
  Plan plan;
  for (const char* user : {"", "nobody", "wrong"}) {
    StreamPlan stream;
    stream.vhost = "/";
    stream.exchange = exchange_ + user;
    stream.spec = StreamSpec{};
    if (*user != '\0') stream.spec->local_username = user;
    stream.actions = {Make(ActionKind::kDeclareShard, std::string("of ") + user)};
    plan.streams.push_back(stream);
  }
  pool_.SetPasswords({{"wrong", "not-it"}});
  const auto outcomes = applier_.Apply(plan, [] { return false; });
  ASSERT_EQ(outcomes.size(), 3u);
  for (const StreamOutcome& outcome : outcomes) {
    EXPECT_EQ(Marks(outcome), outcome.exchange == exchange_ ? "+" : "-") << outcome.exchange;
    if (outcome.failure() == nullptr) continue;
    EXPECT_EQ(outcome.failure()->result.error().code, ErrorCode::kUnauthorized);
    EXPECT_EQ(outcome.failure()->result.error().ToString().find("not-it"), std::string::npos);
  }
}

TEST_F(ApplyTest, AStreamThatIsUnderWayIsNotBegunTwice) {
  StreamPlan stream;
  stream.vhost = "/";
  stream.exchange = exchange_;
  for (int i = 0; i < 50; ++i) stream.actions.push_back(Make(ActionKind::kDeclareShard, std::to_string(i)));
  std::promise<std::string> marks;
  boost::asio::post(pool_.executor(), [&] {
    EXPECT_TRUE(applier_.TryApply(stream, [&](const StreamOutcome& outcome) { marks.set_value(Marks(outcome)); }));
    EXPECT_FALSE(applier_.TryApply(stream, [](const StreamOutcome&) { ADD_FAILURE() << "was begun"; }));
  });
  auto done = marks.get_future();
  ASSERT_EQ(done.wait_for(std::chrono::seconds(20)), std::future_status::ready);
  EXPECT_EQ(done.get(), std::string(50, '+'));
}

}  // namespace
}  // namespace warren::coordinator
