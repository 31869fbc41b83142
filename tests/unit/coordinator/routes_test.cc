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

  ApiResponse Ask(std::string_view method, std::string_view path) {
    return Route(
        {std::make_shared<const Snapshot>(snapshot_), 3'000, std::chrono::seconds(5), [this] { ++triggered_; }}, method,
        path);
  }
  json Get(std::string_view path) { return json::parse(Ask("GET", path).body); }

  Snapshot snapshot_;
  int triggered_ = 0;
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

TEST_F(Routes, SurviveNamesThatAreNotUtf8) {
  snapshot_.streams[0].plan.exchange = "\xff\xfe";
  EXPECT_EQ(Ask("GET", "/api/v1/streams").status, 200);
  EXPECT_EQ(Ask("GET", "/api/v1/streams/%2F/%ff%fe").status, 200);
}

}  // namespace
}  // namespace warren::coordinator
