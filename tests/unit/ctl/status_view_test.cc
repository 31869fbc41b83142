// What status shows of a plan.
#include "coordinator/ctl/status_view.h"

#include <gtest/gtest.h>

#include "coordinator/ctl/share_text.h"
#include "coordinator/ctl/time_text.h"

namespace warren::ctl {
namespace {

constexpr std::int64_t kTime = 1'767'323'045'678;  // 2026-01-02 03:04:05Z

Plan PlanWith(std::string reason, std::int64_t at_ms) {
  Plan plan;
  plan.observed_at_ms = at_ms;
  StreamPlan stream;
  stream.vhost = "/";
  stream.exchange = "web";
  stream.policy = "p";
  stream.conditions = {{ConditionType::kDegraded, std::move(reason), "words of it", false}};
  Shard shard;
  shard.queue = "stream: web - a@h - 1";
  shard.state = ShardState::kDraining;
  shard.ready = 3;
  shard.consumers = 1;
  stream.shards = {shard};
  plan.streams = {stream};
  return plan;
}

TEST(TimeText, IsUtcToTheSecond) {
  EXPECT_EQ(TimeText("2026-01-02T03:04:05.678Z"), "2026-01-02 03:04:05Z");
  EXPECT_EQ(TimeText("yesterday"), "yesterday");
}

TEST(SinceBook, KnowsTheTimeOfWhatBeganWhileItLooked) {
  SinceBook book;
  const auto since = [&](const Plan& plan) { return book.View(plan).streams[0]["conditions"][0]["since"]; };
  EXPECT_TRUE(since(PlanWith("NodeDown", kTime)).is_null());
  EXPECT_TRUE(since(PlanWith("NodeDown", kTime + 1000)).is_null());
  EXPECT_EQ(since(PlanWith("Draining", kTime + 2000)), "2026-01-02T03:04:07.678Z");
  EXPECT_EQ(since(PlanWith("Draining", kTime + 3000)), "2026-01-02T03:04:07.678Z");
  EXPECT_EQ(since(PlanWith("NodeDown", kTime + 4000)), "2026-01-02T03:04:09.678Z");
}

TEST(StatusText, ShowsConditionsAndDrainsWithWhatIsUnknown) {
  SinceBook book;
  book.View(Plan{});
  const std::string text = StatusText(book.View(PlanWith("Draining", kTime)));
  EXPECT_NE(text.find("web  (virtual host /)"), std::string::npos) << text;
  EXPECT_NE(text.find("Draining  since 2026-01-02 03:04:05Z: words of it"), std::string::npos) << text;
  EXPECT_NE(text.find("stream: web - a@h - 1: 3 ready, ? unacknowledged, consumers 1"), std::string::npos) << text;
}

TEST(StatusText, LetsNoNameWriteOnTheTerminal) {
  Plan plan = PlanWith("Draining", kTime);
  plan.streams[0].exchange = "a\x1b[2Jb\rc";
  const std::string text = StatusText(SinceBook().View(plan));
  EXPECT_EQ(text.find_first_of("\x1b\r"), std::string::npos) << text;
}

// A coordinator of another version may leave fields out or have other types there.
TEST(StatusText, TakesWhateverACoordinatorSays) {
  StatusView view;
  view.trouble = "it cannot be reached";
  view.streams = nlohmann::json::parse(R"([{}, {"exchange": 5, "conditions": [{"since": 5}, 7], "shards": null}])");
  EXPECT_NE(StatusText(view).find("This is old: it cannot be reached"), std::string::npos);
  EXPECT_EQ(StatusTable(view).rows.size(), 2u);
}

StatusView OldViewWithAProblem() {
  SinceBook book;
  Plan plan = PlanWith("Draining", kTime);
  plan.problems = {{ConditionType::kDegraded, "InvalidParameter", "stream definition 'x' is wrong", false}};
  StatusView view = book.View(plan);
  view.source = "coordinator http://c";
  view.leader = "http://d on host2";
  view.trouble = "it cannot be reached";
  return view;
}

TEST(StatusJson, SaysHowOldItIsAndWhatIsWrongWithParameters) {
  const auto document = StatusJson(OldViewWithAProblem());
  EXPECT_EQ(document["observed_at"], "2026-01-02T03:04:05.678Z");
  EXPECT_EQ(document["source"], "coordinator http://c");
  EXPECT_EQ(document["leader"], "http://d on host2");
  EXPECT_EQ(document["error"], "it cannot be reached");
  EXPECT_EQ(document["streams"].size(), 1u);
  EXPECT_EQ(document["problems"][0]["reason"], "InvalidParameter");
}

TEST(StatusJson, HasNullForWhatIsNotThere) {
  const auto document = StatusJson(StatusView());
  EXPECT_TRUE(document["observed_at"].is_null());
  EXPECT_TRUE(document["error"].is_null());
  EXPECT_TRUE(document["leader"].is_null());
  EXPECT_EQ(document["streams"], nlohmann::json::array());
}

TEST(StatusText, SaysWhoLeads) {
  EXPECT_NE(StatusText(OldViewWithAProblem()).find("\nLed by http://d on host2\n"), std::string::npos);
  EXPECT_EQ(StatusText(StatusView()).find("Led by"), std::string::npos);
}

TEST(StatusTable, HasARowForEachProblemAndATimeInEach) {
  const std::string csv = Render(StatusTable(OldViewWithAProblem()), Format::kCsv);
  EXPECT_EQ(csv.substr(0, csv.find('\n')), "vhost,exchange,state,type,reason,since,message,observed_at");
  EXPECT_NE(csv.find(",,problem,degraded,InvalidParameter,,stream definition 'x' is wrong,2026-01-02 03:04:05Z\n"),
            std::string::npos)
      << csv;
  EXPECT_NE(csv.find("words of it,2026-01-02 03:04:05Z\n"), std::string::npos) << csv;
}

TEST(StatusView, KeepsTheStreamsThatWereAskedFor) {
  StatusView view;
  view.streams = nlohmann::json::parse(
      R"([{"vhost":"/","exchange":"a"},{"vhost":"v","exchange":"a"},{"vhost":"v","exchange":"b"}])");
  view.Keep("v", "a");
  ASSERT_EQ(view.streams.size(), 1u);
  EXPECT_EQ(view.streams[0]["vhost"], "v");
}

TEST(ShareText, IsARangeWhereTheOrderOfTheRingIsNotKnown) {
  EXPECT_EQ(ShareText({0.12, 0.34}), "12–34 %");
  EXPECT_EQ(ShareText({0.5, 0.5}), "50 %");
  EXPECT_EQ(ShareText({0, 0.25}), "0–25 %");
}

TEST(ShareText, NeverRoundsSomeToNoneOrToAll) {
  EXPECT_EQ(ShareText({0, 0}), "none");
  EXPECT_EQ(ShareText({0, 0.001}), "under 1 %");
  EXPECT_EQ(ShareText({0.999, 0.999}), "99 %");
  EXPECT_EQ(ShareText({1, 1}), "100 %");
}

}  // namespace
}  // namespace warren::ctl
