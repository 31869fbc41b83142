// The AMQP connection against a real broker. Run by `deploy/cluster/cluster run`, which says in the
// environment where the cluster is; the same script runs rabbitmqctl and knows the broker's process.
#include "shardmgr/broker/amqp/connection.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <boost/asio.hpp>
#include <cstdlib>
#include <deque>

#include "shardmgr/broker/amqp/link.h"

namespace warren::amqp {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;

constexpr auto kPatience = 20s;

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// Output of the cluster script with these arguments.
std::string ClusterScript(const std::string& arguments) {
  const std::string command =
      std::string(WARREN_CLUSTER_SCRIPT) + " --dir " + Environment("WARREN_TEST_CLUSTER_DIR") + " " + arguments;
  FILE* pipe = popen(command.c_str(), "r");
  std::string output;
  for (int c = pipe == nullptr ? EOF : fgetc(pipe); c != EOF; c = fgetc(pipe)) output.push_back(static_cast<char>(c));
  EXPECT_TRUE(pipe != nullptr && pclose(pipe) == 0) << command;
  return output;
}

nlohmann::json FirstNode() { return nlohmann::json::parse(ClusterScript("status --json"))["nodes"][0]; }

Endpoint Broker() { return *ParseEndpoint(Environment("WARREN_TEST_AMQP")); }

class ConnectionTest : public testing::Test {
 protected:
  // Runs the loop until `done` holds.
  template <class Done>
  testing::AssertionResult Until(Done done) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) return testing::AssertionFailure() << "timed out";
      io_.restart();
      io_.run_for(10ms);
    }
    return testing::AssertionSuccess();
  }

  ConnectionOptions Options() {
    ConnectionOptions options;
    options.endpoint = Broker();
    options.name = "connection test";
    return options;
  }

  std::shared_ptr<Connection> Open(ConnectionOptions options) {
    bool opened = false;
    auto connection = Connection::Open(io_.get_executor(), std::move(options),
                                       {.on_open = [&] { opened = true; },
                                        .on_closed = [this](const Error& error) { closed_ = error; },
                                        .on_blocked = [this](bool blocked, std::string_view) { blocked_ = blocked; }});
    EXPECT_TRUE(Until([&] { return opened || closed_; }));
    EXPECT_FALSE(closed_) << closed_->ToString();
    return connection;
  }

  // An exclusive queue with a name of the broker's making.
  std::string TemporaryQueue(Channel& channel) {
    std::string name;
    channel.DeclareQueue({.name = "", .exclusive = true}, [&](Result<QueueDeclared> declared) {
      ASSERT_TRUE(declared) << declared.error().ToString();
      name = declared->name;
    });
    EXPECT_TRUE(Until([&] { return !name.empty(); }));
    return name;
  }

  Error FailureOf(ConnectionOptions options) {
    std::optional<Error> failure;
    const auto connection = Connection::Open(
        io_.get_executor(), std::move(options),
        {.on_open = [] { ADD_FAILURE() << "it opened"; }, .on_closed = [&](const Error& error) { failure = error; }});
    EXPECT_TRUE(Until([&] { return failure.has_value(); }));
    return failure.value_or(Error{});
  }

  asio::io_context io_{1};
  std::optional<Error> closed_;
  bool blocked_ = false;
};

TEST_F(ConnectionTest, PublishesConfirmsReturnsAndDelivers) {
  const auto connection = Open(Options());
  const auto channel = connection->OpenChannel();
  const std::string queue = TemporaryQueue(*channel);

  std::vector<std::pair<std::uint64_t, bool>> confirms;
  std::vector<std::string> returned;
  channel->SetHandlers(
      {.on_confirm = [&](std::uint64_t sequence, bool acked) { confirms.emplace_back(sequence, acked); },
       .on_return = [&](Returned& back) { returned.emplace_back(back.body); }});
  channel->SelectConfirms({});

  std::map<std::size_t, std::string> received;
  channel->Consume(queue, "", false, false, {},
                   [&](Delivery& delivery) {
                     EXPECT_EQ(View(delivery.properties.correlation_id), "id");
                     EXPECT_EQ(AsText(Find(delivery.properties.headers, "field")), "value");
                     received[delivery.body.size()] = std::move(delivery.body);
                     channel->Ack(delivery.delivery_tag);
                   },
                   {});

  Table headers;
  headers.Set("field", "value");
  amqp_basic_properties_t properties{};
  properties._flags = AMQP_BASIC_HEADERS_FLAG | AMQP_BASIC_CORRELATION_ID_FLAG;
  properties.correlation_id = Bytes("id");
  properties.headers = headers.view();
  const std::vector<std::size_t> sizes = {0, 1, 131'064, 131'065, 1'000'000, 16u << 20};
  for (const std::size_t size : sizes) {
    std::string body(size, '\0');
    for (std::size_t i = 0; i < size; ++i) body[i] = static_cast<char>(i * 31 + size);
    ASSERT_TRUE(channel->Publish("", queue, true, properties, body));
  }
  ASSERT_TRUE(channel->Publish("", "no such queue", true, properties, "lost"));
  ASSERT_TRUE(Until([&] { return received.size() == sizes.size() && confirms.size() == sizes.size() + 1; }));
  for (const auto& [size, body] : received) {
    ASSERT_EQ(body.size(), size);
    for (std::size_t i = 0; i < size; i += 997) ASSERT_EQ(body[i], static_cast<char>(i * 31 + size));
  }
  EXPECT_EQ(returned, std::vector<std::string>{"lost"});
  for (const auto& [sequence, acked] : confirms) EXPECT_TRUE(acked) << sequence;
}

TEST_F(ConnectionTest, RejectedMessagesComeBackMarkedAsRedelivered) {
  const auto connection = Open(Options());
  const auto channel = connection->OpenChannel();
  const std::string queue = TemporaryQueue(*channel);
  std::vector<bool> redelivered;
  channel->Qos(1, false, {});
  channel->Consume(
      queue, "mine", false, false, {},
      [&](Delivery& delivery) {
        redelivered.push_back(delivery.redelivered);
        if (delivery.redelivered) {
          channel->Ack(delivery.delivery_tag);
        } else {
          channel->Nack(delivery.delivery_tag, false, true);
        }
      },
      [](Result<std::string> tag) { EXPECT_EQ(tag.value_or(""), "mine"); });
  ASSERT_TRUE(channel->Publish("", queue, false, amqp_basic_properties_t{}, "x"));
  ASSERT_TRUE(Until([&] { return redelivered.size() == 2; }));
  EXPECT_EQ(redelivered, (std::vector{false, true}));

  bool cancelled = false;
  channel->Cancel("mine", [&](Result<void> done) { cancelled = done.has_value(); });
  EXPECT_TRUE(Until([&] { return cancelled; }));
}

TEST_F(ConnectionTest, DeclaresBindsUnbindsPurgesAndDeletes) {
  const auto connection = Open(Options());
  const auto channel = connection->OpenChannel();
  std::vector<std::string> outcomes;
  const auto note = [&](auto result) { outcomes.push_back(result ? "ok" : result.error().ToString()); };
  channel->DeclareExchange({.name = "test.ring", .type = "x-consistent-hash", .durable = true}, note);
  QueueDeclare queue{.name = "test.queue", .durable = true};
  queue.arguments.Set("x-queue-type", "classic").Set("x-max-length", 10);
  channel->DeclareQueue(queue, note);
  channel->BindQueue("test.queue", "test.ring", "1", {}, note);
  bool stored = false;
  channel->SetHandlers({.on_confirm = [&](std::uint64_t, bool acked) { stored = acked; }});
  channel->SelectConfirms({});
  ASSERT_TRUE(channel->Publish("test.ring", "key", true, amqp_basic_properties_t{}, "x"));
  ASSERT_TRUE(Until([&] { return stored; }));
  queue.passive = true;
  std::optional<QueueDeclared> counted;
  channel->DeclareQueue(queue, [&](Result<QueueDeclared> declared) { counted = *declared; });
  channel->UnbindQueue("test.queue", "test.ring", "1", {}, note);
  channel->PurgeQueue("test.queue", note);
  channel->DeleteQueue("test.queue", true, true, note);
  channel->DeleteExchange("test.ring", false, note);
  ASSERT_TRUE(Until([&] { return outcomes.size() == 7; }));
  EXPECT_EQ(outcomes, std::vector<std::string>(7, "ok"));
  EXPECT_EQ(counted->messages, 1u);
}

TEST_F(ConnectionTest, BindsExchangesToExchangesAndDeletesWhatIsNoSource) {
  const auto connection = Open(Options());
  const auto channel = connection->OpenChannel();
  std::vector<std::string> outcomes;
  const auto note = [&](auto result) { outcomes.push_back(result ? "ok" : result.error().ToString()); };
  channel->DeclareExchange({.name = "test.source", .type = "x-consistent-hash"}, note);
  ExchangeDeclare inner{.name = "test.inner", .type = "fanout"};
  inner.internal = true;
  inner.arguments.Set("alternate-exchange", "test.source");
  channel->DeclareExchange(inner, note);
  const std::string queue = TemporaryQueue(*channel);
  channel->BindExchange("test.inner", "test.source", "1", {}, note);
  channel->BindQueue(queue, "test.inner", "", {}, note);
  bool stored = false;
  bool returned = false;
  channel->SetHandlers({.on_confirm = [&](std::uint64_t, bool acked) { stored = acked; },
                        .on_return = [&](const Returned&) { returned = true; }});
  channel->SelectConfirms({});
  ASSERT_TRUE(channel->Publish("test.source", "key", true, amqp_basic_properties_t{}, "x"));
  ASSERT_TRUE(Until([&] { return stored; }));
  EXPECT_FALSE(returned);
  channel->UnbindExchange("test.inner", "test.source", "1", {}, note);
  channel->DeleteExchange("test.source", true, note);
  channel->DeleteExchange("test.inner", true, note);
  ASSERT_TRUE(Until([&] { return outcomes.size() == 7; }));
  EXPECT_EQ(std::vector<std::string>(outcomes.begin(), outcomes.end() - 1), std::vector<std::string>(6, "ok"));
  EXPECT_NE(outcomes.back().find("in use"), std::string::npos) << outcomes.back();
  const auto last = connection->OpenChannel();
  last->DeleteExchange("test.inner", false, note);
  ASSERT_TRUE(Until([&] { return outcomes.size() == 8; }));
}

TEST_F(ConnectionTest, AChannelErrorClosesThatChannelAlone) {
  const auto connection = Open(Options());
  const auto channel = connection->OpenChannel();
  const auto other = connection->OpenChannel();
  std::optional<Error> failure;
  channel->DeclareQueue({.name = "not there", .passive = true},
                        [&](Result<QueueDeclared> declared) { failure = declared.error(); });
  ASSERT_TRUE(Until([&] { return failure.has_value(); }));
  EXPECT_EQ(failure->code, ErrorCode::kNotFound);
  EXPECT_NE(failure->message.find("not there"), std::string::npos);
  EXPECT_FALSE(channel->is_open());
  EXPECT_FALSE(TemporaryQueue(*other).empty());
}

TEST_F(ConnectionTest, TellsThatAConsumersQueueWasDeleted) {
  const auto connection = Open(Options());
  const auto channel = connection->OpenChannel();
  const std::string queue = TemporaryQueue(*channel);
  std::string cancelled;
  channel->SetHandlers({.on_cancelled = [&](std::string_view tag) { cancelled = tag; }});
  bool consuming = false, deleted = false;
  channel->Consume(
      queue, "mine", true, false, {}, [](Delivery&) {}, [&](Result<std::string>) { consuming = true; });
  ASSERT_TRUE(Until([&] { return consuming; }));
  channel->DeleteQueue(queue, false, false, [&](Result<std::uint32_t> count) { deleted = count.has_value(); });
  ASSERT_TRUE(Until([&] { return deleted; }));
  ASSERT_TRUE(Until([&] { return !cancelled.empty(); }));
  EXPECT_EQ(cancelled, "mine");
}

TEST_F(ConnectionTest, SaysWhyItCouldNotOpen) {
  ConnectionOptions wrong_password = Options();
  wrong_password.credentials.password = "wrong";
  const Error refused = FailureOf(wrong_password);
  EXPECT_EQ(refused.code, ErrorCode::kUnauthorized);
  EXPECT_EQ(refused.ToString().find("'wrong'"), std::string::npos) << "no password in a message";

  ConnectionOptions no_vhost = Options();
  no_vhost.vhost = "nowhere";
  const Error missing = FailureOf(no_vhost);
  EXPECT_NE(missing.message.find("nowhere"), std::string::npos) << missing.ToString();

  ConnectionOptions nobody = Options();
  nobody.endpoint.port = 1;
  EXPECT_EQ(FailureOf(nobody).code, ErrorCode::kUnavailable);

  ConnectionOptions http = Options();
  http.endpoint.port = FirstNode()["ports"]["management"].get<std::uint16_t>();
  const Error foreign = FailureOf(http);
  EXPECT_NE(foreign.message.find("is this an AMQP port"), std::string::npos) << foreign.ToString();
}

TEST_F(ConnectionTest, GivesUpOnAPeerThatSaysNothing) {
  asio::ip::tcp::acceptor silent(io_, {asio::ip::address_v4::loopback(), 0});
  ConnectionOptions options = Options();
  options.endpoint.port = silent.local_endpoint().port();
  options.handshake_timeout = 300ms;
  EXPECT_EQ(FailureOf(options).code, ErrorCode::kTimeout);
}

TEST_F(ConnectionTest, LivesOnHeartbeatsAlone) {
  ConnectionOptions options = Options();
  options.heartbeat = 1s;
  const auto connection = Open(options);
  io_.restart();
  io_.run_for(4s);
  EXPECT_TRUE(connection->is_open());
  EXPECT_FALSE(closed_);
}

TEST_F(ConnectionTest, NoticesABrokerThatStoppedTalking) {
  ConnectionOptions options = Options();
  options.heartbeat = 1s;
  const auto connection = Open(options);
  const pid_t broker = FirstNode()["pid"].get<pid_t>();
  ASSERT_EQ(kill(broker, SIGSTOP), 0);
  EXPECT_TRUE(Until([&] { return closed_.has_value(); }));
  kill(broker, SIGCONT);
  ASSERT_TRUE(closed_);
  EXPECT_EQ(closed_->code, ErrorCode::kTimeout);
}

TEST_F(ConnectionTest, IsToldOfAMemoryAlarm) {
  const auto connection = Open(Options());
  const auto channel = connection->OpenChannel();
  const std::string queue = TemporaryQueue(*channel);
  ClusterScript("ctl 1 set_vm_memory_high_watermark 0");
  ASSERT_TRUE(channel->Publish("", queue, false, amqp_basic_properties_t{}, "x"));
  EXPECT_TRUE(Until([&] { return blocked_; }));
  ClusterScript("ctl 1 set_vm_memory_high_watermark 0.4");
  EXPECT_TRUE(Until([&] { return !blocked_; }));
}

TEST_F(ConnectionTest, ClosesInOrderAndLivesUntilThen) {
  auto connection = Open(Options());
  connection->Close();
  connection.reset();
  ASSERT_TRUE(Until([&] { return closed_.has_value(); }));
  EXPECT_NE(closed_->message.find("closed by us"), std::string::npos);
}

TEST_F(ConnectionTest, DroppedInACallbackItIsGoneWithoutAWord) {
  auto connection = Open(Options());
  auto channel = connection->OpenChannel();
  bool answered = false;
  channel->DeclareQueue({.name = "", .exclusive = true}, [&](Result<QueueDeclared>) {
    answered = true;
    channel.reset();
    connection.reset();
  });
  ASSERT_TRUE(Until([&] { return answered; }));
  io_.restart();
  io_.run_for(50ms);
  EXPECT_FALSE(closed_);
}

TEST_F(ConnectionTest, ALinkGoesOnToTheNextEndpointAndComesBack) {
  Endpoint nobody = Broker();
  nobody.port = 1;
  std::shared_ptr<Connection> up;
  int downs = 0;
  Link link(io_.get_executor(), {.endpoints = {nobody, Broker()}, .connection = Options(), .first_pause = 20ms},
            {.on_up = [&](const std::shared_ptr<Connection>& connection) { up = connection; },
             .on_down = [&](const Endpoint&, const Error&, bool) { ++downs; }});
  link.Start();
  ASSERT_TRUE(Until([&] { return up != nullptr; }));
  EXPECT_EQ(downs, 1);
  EXPECT_EQ(link.connection(), up);
  std::exchange(up, nullptr)->Close();
  ASSERT_TRUE(Until([&] { return up != nullptr; }));
  EXPECT_GE(downs, 2);
  up.reset();
  link.Stop();
  EXPECT_EQ(link.connection(), nullptr);
  io_.restart();
  io_.run_for(200ms);
  EXPECT_EQ(up, nullptr);
}

}  // namespace
}  // namespace warren::amqp
