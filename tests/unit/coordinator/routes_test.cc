// The REST API as a function: statuses, problem documents, encoded names, staleness.
#include "coordinator/api/routes.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace warren::coordinator {
namespace {

using nlohmann::json;

class Routes : public ::testing::Test {
 protected:
  Routes() {
    snapshot_.generation = 3;
    snapshot_.observed_at_ms = 1'000;
    StreamStatus stream;
    stream.plan.vhost = "/";
    stream.plan.exchange = "a/b c";
    stream.conditions = {{{ConditionType::kDegraded, "NodeDown", "rabbit1 is down", false}, 700}};
    snapshot_.streams = {stream};
    snapshot_.parameters = {{"stream-policy.%2F.web", json{{"pattern", "^a"}}, "global parameter"},
                            {"stream-definition.x", json::object(), "/etc/x.json"}};
  }

  ApiResponse Ask(std::string_view method, std::string_view path, std::string_view query = {}) {
    return Route({.snapshot = std::make_shared<const Snapshot>(snapshot_),
                  .now_ms = 3'000,
                  .interval = std::chrono::seconds(5),
                  .trigger = [this] { ++triggered_; },
                  .events = events_,
                  .journal = &journal_,
                  .set_drain =
                      [this](const std::string& node, bool drain) {
                        drains_.emplace_back(node, drain);
                        return drain_result_;
                      }},
                 method, path, query);
  }
  json Get(std::string_view path) { return json::parse(Ask("GET", path).body); }

  Snapshot snapshot_;
  int triggered_ = 0;
  EventStatus events_;
  Journal journal_;
  std::vector<std::pair<std::string, bool>> drains_;
  Result<void> drain_result_;
};

TEST_F(Routes, FindAStreamByItsEncodedNameAndShowSinceWhen) {
  const ApiResponse found = Ask("GET", "/api/v1/streams/%2F/a%2Fb%20c");
  ASSERT_EQ(found.status, 200) << found.body;
  const json stream = json::parse(found.body);
  EXPECT_EQ(stream["exchange"], "a/b c");
  EXPECT_EQ(stream["conditions"][0]["since_ms"], 700);
  EXPECT_EQ(stream["observation"]["generation"], 3);
  EXPECT_EQ(stream["observation"]["age_seconds"], 2.0);
}

TEST_F(Routes, AnswerWhatIsNotThereWithProblemDocuments) {
  for (const char* path : {"", "/", "/api", "/api/v1/", "/api/v1/streams/", "/api/v1/streams/%2F",
                           "/api/v1/streams/%2F/none", "/api/v1/streams/a/b/c", "/api/v1/streams//x"}) {
    const ApiResponse answer = Ask("GET", path);
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_EQ(answer.content_type, "application/problem+json");
    EXPECT_EQ(json::parse(answer.body)["status"], 404);
  }
  EXPECT_EQ(Ask("GET", "/api/v1/streams/%2/x").status, 400);
  EXPECT_EQ(Ask("GET", "/" + std::string(9'000, 'a')).status, 414);
}

TEST_F(Routes, TakeTheirOwnMethodAlone) {
  const ApiResponse answer = Ask("DELETE", "/api/v1/streams");
  EXPECT_EQ(answer.status, 405);
  EXPECT_EQ(answer.allow, "GET");
  EXPECT_EQ(Ask("GET", "/api/v1/reconcile").allow, "POST");
  EXPECT_EQ(triggered_, 0);
  EXPECT_EQ(Ask("POST", "/api/v1/reconcile").status, 202);
  EXPECT_EQ(triggered_, 1);
}

TEST_F(Routes, ListDefinitionsAndPoliciesWithTheirSources) {
  EXPECT_EQ(Get("/api/v1/definitions")["definitions"][0]["source"], "/etc/x.json");
  const json policy = Get("/api/v1/policies")["policies"][0];
  EXPECT_EQ(policy["vhost"], "/");
  EXPECT_EQ(policy["name"], "web");
}

TEST_F(Routes, SayThatWhatTheyShowIsStale) {
  snapshot_.observation_error = Error{ErrorCode::kUnavailable, "refused", "http://x"};
  snapshot_.failing_since_ms = 1'500;
  EXPECT_EQ(Get("/api/v1/nodes")["observation"]["stale_since_ms"], 1'500);
  EXPECT_EQ(Get("/api/v1/nodes")["observation"]["error"]["code"], "unavailable");
  snapshot_.observed_at_ms = 0;
  EXPECT_EQ(Ask("GET", "/readyz").status, 503);
  EXPECT_EQ(Ask("GET", "/healthz").status, 200);
}

TEST_F(Routes, SayWhereNewsComesFrom) {
  events_.reason = "there is no such exchange";
  EXPECT_EQ(Get("/api/v1/streams")["observation"]["source"], "polling");
  EXPECT_EQ(Get("/api/v1/streams")["observation"]["source_reason"], "there is no such exchange");
  events_ = {true, {}, 5};
  EXPECT_EQ(Get("/api/v1/nodes")["observation"]["source"], "events");
  EXPECT_TRUE(Get("/api/v1/nodes")["observation"]["source_reason"].is_null());
}

TEST_F(Routes, ListRecentEventsNewestLast) {
  journal_.Add("node-down", "node a@h does not run any more");
  journal_.Add({12, "applied", "/", "web", "declare-shard 6"});
  const json events = Get("/api/v1/events")["events"];
  ASSERT_EQ(events.size(), 2u);
  EXPECT_TRUE(events[0]["exchange"].is_null());
  EXPECT_EQ(
      events[1],
      (json{{"at_ms", 12}, {"kind", "applied"}, {"vhost", "/"}, {"exchange", "web"}, {"message", "declare-shard 6"}}));
  const json last = json::parse(Ask("GET", "/api/v1/events", "limit=1").body)["events"];
  ASSERT_EQ(last.size(), 1u);
  EXPECT_EQ(last[0]["kind"], "applied");
  for (const char* query : {"limit=", "limit=-1", "limit=501", "limit=1x", "limit=99999999999999999999", "limit=+1",
                            "limit=1&limit=2", "other=1", "limit"}) {
    EXPECT_EQ(Ask("GET", "/api/v1/events", query).status, 400) << query;
  }
  EXPECT_EQ(Ask("POST", "/api/v1/events").allow, "GET");
}

TEST_F(Routes, DrainAndRefillNodesOfTheClusterAlone) {
  NodeStatus node;
  node.node.name = "rabbit@host 1";
  snapshot_.nodes = {node};
  const ApiResponse drain = Ask("POST", "/api/v1/nodes/rabbit%40host%201/drain");
  ASSERT_TRUE(drain.later);
  EXPECT_TRUE(drains_.empty());  // Not on the caller's thread.
  EXPECT_EQ(json::parse(drain.later().body), (json{{"node", "rabbit@host 1"}, {"drain", true}}));
  EXPECT_EQ(Ask("DELETE", "/api/v1/nodes/rabbit%40host%201/drain").later().status, 200);
  EXPECT_EQ(drains_, (std::vector<std::pair<std::string, bool>>{{"rabbit@host 1", true}, {"rabbit@host 1", false}}));
  EXPECT_EQ(Ask("POST", "/api/v1/nodes/unknown/drain").status, 404);
  EXPECT_EQ(Ask("POST", "/api/v1/nodes//drain").status, 404);
  EXPECT_EQ(Ask("POST", "/api/v1/nodes/a/b/drain").status, 404);
  EXPECT_EQ(Ask("POST", "/api/v1/nodes/%zz/drain").status, 400);
  EXPECT_EQ(Ask("GET", "/api/v1/nodes/rabbit%40host%201/drain").allow, "POST, DELETE");
  drain_result_ = Fail(ErrorCode::kForbidden, "needs tag policymaker", "http://x");
  const ApiResponse refused = Ask("POST", "/api/v1/nodes/rabbit%40host%201/drain").later();
  EXPECT_EQ(refused.status, 502);
  EXPECT_NE(refused.body.find("policymaker"), std::string::npos);
  snapshot_.observed_at_ms = 0;
  EXPECT_EQ(Ask("POST", "/api/v1/nodes/rabbit%40host%201/drain").status, 503);
}

TEST_F(Routes, SurviveNamesThatAreNotUtf8) {
  snapshot_.streams[0].plan.exchange = "\xff\xfe";
  EXPECT_EQ(Ask("GET", "/api/v1/streams").status, 200);
  EXPECT_EQ(Ask("GET", "/api/v1/streams/%2F/%ff%fe").status, 200);
}

}  // namespace
}  // namespace warren::coordinator
