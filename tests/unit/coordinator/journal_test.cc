// The journal is bounded and ordered; the board writes into it what begins and what is over.
#include "coordinator/journal.h"

#include <gtest/gtest.h>

#include "coordinator/board.h"

namespace warren::coordinator {
namespace {

std::vector<std::string> Kinds(const Journal& journal) {
  std::vector<std::string> kinds;
  for (const JournalEntry& entry : journal.Latest()) kinds.push_back(entry.kind);
  return kinds;
}

TEST(Journal, KeepsTheNewestEntriesNewestLast) {
  Journal journal;
  for (int i = 0; i < 700; ++i) journal.Add("applied", std::to_string(i));
  const auto all = journal.Latest();
  ASSERT_EQ(all.size(), Journal::kMostEntries);
  EXPECT_EQ(all.front().message, "200");
  EXPECT_EQ(all.back().message, "699");
  const auto few = journal.Latest(2);
  ASSERT_EQ(few.size(), 2u);
  EXPECT_EQ(few.front().message, "698");
  EXPECT_TRUE(journal.Latest(0).empty());
  EXPECT_EQ(journal.total(), 700u);
}

class BoardTest : public ::testing::Test {
 protected:
  void Publish() { board_.Publish({topology_, plan_, {}, unreachable_, {}, drained_, {}}, {}); }
  void AddNode(const std::string& name, bool running) {
    Node node;
    node.name = name;
    node.running = running;
    topology_.nodes.push_back(node);
  }

  Topology topology_;
  Plan plan_;
  std::map<std::string, Error> unreachable_;
  std::vector<std::string> drained_;
  Journal journal_;
  Board board_{journal_};
};

TEST_F(BoardTest, TellsWhenAConditionBeginsAndWhenItIsOverButNotWhenItsWordsChange) {
  StreamPlan stream;
  stream.vhost = "/";
  stream.exchange = "web";
  stream.conditions = {{ConditionType::kProgressing, "Draining", "7 messages left", false}};
  plan_.streams = {stream};
  Publish();
  plan_.streams[0].conditions[0].message = "3 messages left";
  Publish();
  plan_.streams[0].conditions.clear();
  Publish();
  EXPECT_EQ(Kinds(journal_), (std::vector<std::string>{"condition", "condition-over"}));
  EXPECT_EQ(journal_.Latest()[0].exchange, "web");
  EXPECT_NE(journal_.Latest()[0].message.find("Draining: 7 messages left"), std::string::npos);
}

TEST_F(BoardTest, TellsOfNodesThatComeAndGo) {
  AddNode("a@h", true);
  AddNode("b@h", true);
  Publish();
  EXPECT_TRUE(journal_.Latest().empty());
  topology_.nodes[1].running = false;
  Publish();
  topology_.nodes[1].running = true;
  unreachable_.emplace("b@h", Error{ErrorCode::kUnavailable, "refused", {}});
  Publish();
  unreachable_.clear();
  drained_ = {"a@h"};
  Publish();
  topology_.nodes.pop_back();
  AddNode("c@h", true);
  Publish();
  EXPECT_EQ(Kinds(journal_), (std::vector<std::string>{"node-down", "node-up", "node-unreachable", "node-drained",
                                                       "node-reachable", "node-joined", "node-left"}));
  EXPECT_TRUE(board_.snapshot()->nodes[0].drained);
  EXPECT_FALSE(board_.snapshot()->nodes[1].drained);
}

TEST_F(BoardTest, KeepsWhatIsKnownWhenAnObservationFails) {
  AddNode("a@h", true);
  Publish();
  board_.Fail({ErrorCode::kUnavailable, "refused", "http://x"});
  board_.Fail({ErrorCode::kUnavailable, "refused", "http://x"});
  EXPECT_EQ(board_.snapshot()->nodes.size(), 1u);
  EXPECT_TRUE(board_.snapshot()->observation_error);
  Publish();
  EXPECT_EQ(Kinds(journal_), (std::vector<std::string>{"observation-failed", "observation-restored"}));
  EXPECT_EQ(board_.snapshot()->generation, 2u);
}

}  // namespace
}  // namespace warren::coordinator
