// The gateway's desk beside a cluster of three nodes: names that come and go, who is given which shards with and
// without a coordinator, and a node that dies and returns. Nobody consumes anything here: the members are the test's
// own. Run by `deploy/cluster/cluster run`; the coordinator is the one in WARREN_BIN.
#include "proxy/gateway/desk.h"

#include <gtest/gtest.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <boost/asio.hpp>
#include <cstdlib>
#include <sstream>

#include "shardmgr/plan/naming.h"

namespace warren::gateway {
namespace {

using namespace std::chrono_literals;
using Names = std::vector<std::string>;

constexpr auto kPatience = 40s;
constexpr std::size_t kNodes = 3;
constexpr int kPerNode = 2;

Names Environment(const char* name) {
  const char* value = std::getenv(name);
  std::istringstream list(value == nullptr ? "" : value);
  Names parts;
  for (std::string part; std::getline(list, part, ',');) parts.push_back(part);
  return parts;
}

void ClusterScript(const std::string& arguments) {
  const std::string command = std::string(WARREN_CLUSTER_SCRIPT) + " --dir " +
                              Environment("WARREN_TEST_CLUSTER_DIR").at(0) + " " + arguments + " > /dev/null";
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
}

/// warren-coordinator, until the end of the scope.
class Coordinator {
 public:
  Coordinator() {
    Names words = {Environment("WARREN_BIN").at(0) + "/warren-coordinator",
                   "--listen=127.0.0.1:0",
                   "--metrics-listen=127.0.0.1:0",
                   "--interval=1s",
                   "--log-level=warning",
                   "--management=" + Environment("WARREN_TEST_MANAGEMENT").at(0)};
    for (const std::string& node : Environment("WARREN_TEST_AMQP")) words.push_back("--node=" + node);
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    // Programs refuse variables of ours that they do not know.
    std::vector<char*> environment;
    for (char** each = environ; *each != nullptr; ++each) {
      if (!std::string_view(*each).starts_with("WARREN_")) environment.push_back(*each);
    }
    environment.push_back(nullptr);
    EXPECT_EQ(posix_spawn(&pid_, words[0].c_str(), nullptr, nullptr, arguments.data(), environment.data()), 0);
  }
  ~Coordinator() {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }

 private:
  pid_t pid_ = 0;
};

class DeskTest : public testing::Test {
 protected:
  struct Given {
    MemberId id = 0;
    Names queues;
    bool known = false;
    int answers = 0;
  };

  DeskTest() : client_(ClientOptions()) {}
  ~DeskTest() override {
    desk_.reset();
    for (const std::string& parameter : parameters_) EXPECT_TRUE(client_.DeleteGlobalParameter(parameter));
    for (const auto& [vhost, queue] : queues_) EXPECT_TRUE(client_.DeleteQueue(vhost, queue, {}));
    for (const auto& [vhost, exchange] : exchanges_) EXPECT_TRUE(client_.DeleteUnusedExchange(vhost, exchange));
  }

  static management::ClientOptions ClientOptions() {
    management::ClientOptions options;
    options.urls = Environment("WARREN_TEST_MANAGEMENT");
    return options;
  }

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

  /// A desk that knows all names. It looks at events alone unless it is told to look more often.
  void StartDesk(std::chrono::milliseconds refresh = 60s) {
    DeskOptions options;
    for (const std::string& node : Environment("WARREN_TEST_AMQP")) options.nodes.push_back(*amqp::ParseEndpoint(node));
    options.management = ClientOptions();
    options.instance = "gateway";
    options.refresh = refresh;
    desk_ = std::make_unique<Desk>(std::move(options), registry_);
    EXPECT_FALSE(desk_->readiness());
    bool looked = false;
    desk_->Start(io_.get_executor(), [&] { looked = true; });
    EXPECT_TRUE(Until([&] { return looked; }));
    EXPECT_TRUE(Until([&] { return desk_->readiness().has_value() && !desk_->NodeName(0).empty(); }));
    for (std::size_t i = 0; i < kNodes; ++i) {
      EXPECT_TRUE(Until([&] { return desk_->NodeName(i) == names_[i] && desk_->NodeUp(i); })) << names_[i];
    }
  }

  void MakeExchange(const std::string& name, const std::string& vhost = "/") {
    Exchange exchange;
    exchange.vhost = vhost;
    exchange.name = name;
    exchange.type = "x-consistent-hash";
    exchange.durable = true;
    ASSERT_TRUE(client_.PutExchange(exchange));
    exchanges_.emplace_back(vhost, name);
  }

  std::string MakeShard(const std::string& exchange, std::size_t node, int index, const std::string& vhost = "/") {
    const std::string queue = ShardName(exchange, names_[node], index);
    EXPECT_TRUE(client_.PutQueue(vhost, queue, {}, names_[node]));
    EXPECT_TRUE(client_.PutBinding(vhost, exchange, queue, "1"));
    queues_.emplace_back(vhost, queue);
    return queue;
  }

  void MakeStream(const std::string& exchange, const std::string& vhost = "/") {
    MakeExchange(exchange, vhost);
    for (std::size_t node = 0; node < kNodes; ++node) {
      for (int index = 0; index < kPerNode; ++index) MakeShard(exchange, node, index, vhost);
    }
  }

  /// Names of the shards on these nodes.
  Names ShardsOf(const std::string& exchange, const std::vector<std::size_t>& nodes) const {
    Names shards;
    for (const std::size_t node : nodes) {
      for (int index = 0; index < kPerNode; ++index) shards.push_back(ShardName(exchange, names_[node], index));
    }
    std::sort(shards.begin(), shards.end());
    return shards;
  }

  std::shared_ptr<Given> Join(std::size_t upstream, const std::string& exchange, bool exclusive = false,
                              const std::string& vhost = "/") {
    auto given = std::make_shared<Given>();
    given->id =
        desk_->Join({upstream, vhost, exchange, exclusive}, io_.get_executor(), [given](Names queues, bool known) {
          given->queues = std::move(queues);
          given->known = known;
          ++given->answers;
        });
    return given;
  }
  testing::AssertionResult Gets(const std::shared_ptr<Given>& member, const Names& queues) {
    auto result = Until([&] { return member->answers > 0 && member->queues == queues; });
    if (!result) result << ": " << testing::PrintToString(member->queues);
    return result;
  }

  std::string Metrics() const { return prometheus::TextSerializer().Serialize(registry_.Collect()); }

  const Names names_ = Environment("WARREN_TEST_NODES");
  boost::asio::io_context io_;
  management::Client client_;
  prometheus::Registry registry_;
  std::unique_ptr<Desk> desk_;
  Names parameters_;
  std::vector<std::pair<std::string, std::string>> queues_, exchanges_;
};

TEST_F(DeskTest, LearnsOfStreamsThatComeAndGo) {
  StartDesk();
  EXPECT_EQ(desk_->streams()->Find("/", "desk.names"), nullptr);
  const auto early = Join(0, "desk.names");
  ASSERT_TRUE(Until([&] { return early->answers == 1; }));
  EXPECT_FALSE(early->known);

  MakeExchange("desk.names");
  const std::string shard = MakeShard("desk.names", 0, 0);
  EXPECT_TRUE(Gets(early, {shard}));
  EXPECT_TRUE(early->known);
  ASSERT_NE(desk_->streams()->Find("/", "names"), nullptr);
  EXPECT_EQ(desk_->streams()->Find("/", "names")->shards.at(0).node, names_[0]);
  EXPECT_TRUE(Until([&] { return desk_->streams()->Find("/", "names")->shards.at(0).in_service; }));

  ASSERT_TRUE(client_.DeleteQueue("/", shard, {}));
  EXPECT_TRUE(Until([&] { return desk_->streams()->Find("/", "names") == nullptr; }));
  EXPECT_TRUE(Until([&] { return !early->known; }));
  EXPECT_TRUE(early->queues.empty());
}

TEST_F(DeskTest, GivesALostShardAgainOnceItIsThere) {
  MakeStream("desk.lost");
  StartDesk();
  const auto one = Join(1, "desk.lost"), two = Join(1, "desk.lost");
  const Names both = ShardsOf("desk.lost", {1});
  ASSERT_TRUE(Gets(one, both));
  ASSERT_TRUE(Gets(two, both));
  EXPECT_NE(Metrics().find("queue=\"" + both[0] + "\",vhost=\"/\"} 2"), std::string::npos) << Metrics();

  ASSERT_TRUE(client_.DeleteQueue("/", both[0], {}));
  desk_->Lost(one->id, both[0]);
  desk_->Lost(two->id, both[0]);
  EXPECT_TRUE(Gets(one, {both[1]}));
  EXPECT_TRUE(Gets(two, {both[1]}));
  MakeShard("desk.lost", 1, 0);
  EXPECT_TRUE(Gets(one, both));
  EXPECT_TRUE(Gets(two, both));
  desk_->Leave(one->id);
  desk_->Leave(two->id);
  EXPECT_TRUE(Until([&] { return Metrics().find("warren_gateway_stream_consumers{") == std::string::npos; }));
}

TEST_F(DeskTest, HasLinksInEachVirtualHostWithConsumers) {
  ClusterScript("ctl 1 add_vhost desk");
  ClusterScript("ctl 1 set_permissions -p desk guest '.*' '.*' '.*'");
  MakeStream("desk.vhost", "desk");
  StartDesk();
  const auto one = Join(2, "desk.vhost", false, "desk"), elsewhere = Join(2, "desk.vhost");
  EXPECT_TRUE(Gets(one, ShardsOf("desk.vhost", {2})));
  ASSERT_TRUE(Until([&] { return elsewhere->answers > 0; }));
  EXPECT_FALSE(elsewhere->known);
}

TEST_F(DeskTest, CoversNodesWithoutConsumersWhereNoCoordinatorIs) {
  MakeStream("desk.alone");
  StartDesk(1s);
  const auto on_first = Join(0, "desk.alone"), on_second = Join(1, "desk.alone");
  EXPECT_TRUE(Gets(on_second, ShardsOf("desk.alone", {1})));
  EXPECT_TRUE(Gets(on_first, ShardsOf("desk.alone", {0, 2})));
  const auto on_third = Join(2, "desk.alone");
  EXPECT_TRUE(Gets(on_third, ShardsOf("desk.alone", {2})));
  EXPECT_TRUE(Gets(on_first, ShardsOf("desk.alone", {0})));
}

TEST_F(DeskTest, FollowsACoordinator) {
  MakeExchange("desk.led");
  const Coordinator coordinator;
  parameters_ = {"stream-policy.%2F.desk", "stream-definition.desk"};
  ASSERT_TRUE(client_.PutGlobalParameter(parameters_[1], {{"shards-per-node", kPerNode}, {"routing-key", "1"}}));
  ASSERT_TRUE(client_.PutGlobalParameter(
      parameters_[0], {{"pattern", "^desk\\.led$"}, {"definition", {{"stream-definition", "desk"}}}}));
  for (const std::string& shard : ShardsOf("desk.led", {0, 1, 2})) queues_.emplace_back("/", shard);
  StartDesk();
  const auto on_first = Join(0, "desk.led");
  EXPECT_TRUE(Gets(on_first, ShardsOf("desk.led", {0, 1, 2}))) << "one for all";
  EXPECT_NE(Metrics().find("warren_gateway_assignment_source{source=\"coordinator\"} 1"), std::string::npos);

  const auto on_second = Join(1, "desk.led");
  EXPECT_TRUE(Until([&] { return on_first->queues.size() == 3 && on_second->queues.size() == 3; }));
  Names all = on_first->queues;
  all.insert(all.end(), on_second->queues.begin(), on_second->queues.end());
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, ShardsOf("desk.led", {0, 1, 2}));

  desk_->Leave(on_first->id);
  EXPECT_TRUE(Gets(on_second, ShardsOf("desk.led", {0, 1, 2}))) << "the bye was heard";
}

TEST_F(DeskTest, TakesADeadNodesShardsAwayAndGivesThemWhenItIsBack) {
  MakeStream("desk.node");
  StartDesk();
  const auto everything = Join(0, "desk.node", true);
  ASSERT_TRUE(Gets(everything, ShardsOf("desk.node", {0, 1, 2})));
  ClusterScript("kill 3");
  EXPECT_TRUE(Until([&] { return !desk_->NodeUp(2); }));
  EXPECT_TRUE(Gets(everything, ShardsOf("desk.node", {0, 1})));
  EXPECT_TRUE(desk_->readiness());
  ClusterScript("start-node 3");
  EXPECT_TRUE(Gets(everything, ShardsOf("desk.node", {0, 1, 2})));
  EXPECT_TRUE(Until([&] { return desk_->NodeUp(2); }));
  const auto local = Join(2, "desk.node");
  EXPECT_TRUE(Gets(local, ShardsOf("desk.node", {2})));
}

}  // namespace
}  // namespace warren::gateway
