// The REST API as a function: statuses, problem documents, encoded names, staleness.
#include "coordinator/api/routes.h"

#include "api_fixture.h"

namespace warren::coordinator {
namespace {

class Routes : public ApiTest {};

TEST_F(Routes, FindAStreamByItsEncodedNameAndShowSinceWhen) {
  const ApiResponse found = Ask("GET", "/api/v1/streams/%2F/a%2Fb%20c");
  ASSERT_EQ(found.status, 200) << found.body;
  const json stream = json::parse(found.body);
  EXPECT_EQ(stream["exchange"], "a/b c");
  EXPECT_EQ(stream["conditions"][0]["since"], "1970-01-01T00:00:00.700Z");
  EXPECT_EQ(stream["observation"]["generation"], 3);
  EXPECT_EQ(stream["observation"]["age_seconds"], 2.0);
}

TEST_F(Routes, AnswerWhatIsNotThereWithProblemDocuments) {
  for (const char* path : {"", "//", "/api", "/api/v1/", "/api/v1/streams/", "/api/v1/streams/%2F",
                           "/api/v1/streams/%2F/none", "/api/v1/streams/a/b/c", "/api/v1/streams//x"}) {
    const ApiResponse answer = Ask("GET", path);
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_EQ(answer.content_type, "application/problem+json");
    EXPECT_EQ(json::parse(answer.body)["status"], 404);
  }
  EXPECT_EQ(Ask("GET", "/api/v1/streams/%2/x").status, 400);
  EXPECT_EQ(Ask("GET", "/" + std::string(9'000, 'a')).status, 414);
}

TEST_F(Routes, TakeTheirOwnMethodsAlone) {
  const ApiResponse answer = Ask("DELETE", "/api/v1/streams");
  EXPECT_EQ(answer.status, 405);
  EXPECT_EQ(answer.Field("Allow"), "GET, HEAD, OPTIONS");
  EXPECT_EQ(Ask("BREW", "/").status, 405);
  EXPECT_EQ(Ask("GET", "/api/v1/reconcile").Field("Allow"), "POST, OPTIONS");
  EXPECT_EQ(triggered_, 0);
  EXPECT_EQ(Ask("POST", "/api/v1/reconcile").status, 202);
  EXPECT_EQ(triggered_, 1);
  const ApiResponse options = Ask("OPTIONS", "/api/v1/policies/%2F/web");
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(options.fields, (decltype(options.fields){{"Allow", "GET, HEAD, PUT, DELETE, OPTIONS"}}));
  EXPECT_TRUE(options.body.empty());
}

TEST_F(Routes, AnswerHeadAsGet) {
  EXPECT_EQ(Ask("HEAD", "/api/v1/streams").body, Ask("GET", "/api/v1/streams").body);
  EXPECT_EQ(Ask("HEAD", "/api/v1/reconcile").status, 405);
}

TEST_F(Routes, ListThemselves) {
  const json index = Get("/api/v1");
  for (const json& resource : index["resources"]) {
    const std::string path = resource["path"];
    EXPECT_NE(Ask("OPTIONS", path).status, 404) << path;
  }
  EXPECT_GE(index["resources"].size(), 16u);
}

TEST_F(Routes, GiveNothingToThoseWhoTakeAnotherType) {
  const auto status = [&](const std::string& accept, const std::string& path = "/api/v1/streams") {
    return Send({.method = "GET", .path = path, .query = {}, .accept = accept}).status;
  };
  for (const char* accept : {"", " ", "*/*", "application/json", "Application/JSON", "text/html, application/*;q=0.1",
                             "text/html;q=1 , */* ;q=0.001", "application/json;charset=utf-8"}) {
    EXPECT_EQ(status(accept), 200) << accept;
  }
  for (const char* accept : {"text/html", "application/xml, text/*", "application/json;q=0",
                             "application/json;q=0.000, */*", "*/*;q=0", "json", ",", "application/jsonx"}) {
    EXPECT_EQ(status(accept), 406) << accept;
  }
  EXPECT_EQ(status("text/html", "/"), 200);
  EXPECT_EQ(status("application/json", "/"), 406);
}

TEST_F(Routes, TakeNoQueryThatTheyDoNotKnow) {
  for (const char* query : {"limits=1", "limit=1&limit=1", "limit", "limit=", "limit=-1", "offset=x", "limit=1000001",
                            "%zz=1", "vhost=%2", "=", "&"}) {
    EXPECT_EQ(Ask("GET", "/api/v1/streams", query).status, 400) << query;
  }
  EXPECT_EQ(Ask("GET", "/api/v1/nodes", "vhost=a").status, 400);
  EXPECT_EQ(Ask("POST", "/api/v1/reconcile", "now=1").status, 400);
  EXPECT_EQ(triggered_, 0);
}

TEST_F(Routes, ShowThePartOfAListThatWasAskedFor) {
  snapshot_.streams.clear();
  for (int number = 0; number < 10; ++number) {
    StreamStatus stream;
    stream.plan.vhost = number % 2 == 0 ? "/" : "v 1";
    stream.plan.exchange = "x" + std::to_string(number);
    for (const char* node : {"a@h", "b@h"}) {
      Shard shard;
      shard.node = node;
      shard.state = shard.node == "b@h" ? ShardState::kActive : ShardState::kMissing;
      stream.plan.shards.push_back(shard);
    }
    snapshot_.streams.push_back(stream);
  }
  const auto ask = [&](const char* list, const char* query) {
    return json::parse(Ask("GET", std::string("/api/v1/") + list, query).body);
  };
  const json part = ask("streams", "vhost=v+1&offset=1&limit=2");
  EXPECT_EQ(part["total"], 5);
  EXPECT_EQ(part["offset"], 1);
  ASSERT_EQ(part["streams"].size(), 2u);
  EXPECT_EQ(part["streams"][0]["exchange"], "x3");
  EXPECT_EQ(ask("streams", "limit=0")["total"], 10);
  EXPECT_EQ(ask("streams", "offset=1000000")["streams"], json::array());
  EXPECT_EQ(ask("streams", "exchange=x7")["streams"][0]["vhost"], "v 1");
  EXPECT_EQ(ask("shards", "")["total"], 20);
  EXPECT_EQ(ask("shards", "node=b@h&state=active&vhost=%2F")["total"], 5);
  EXPECT_EQ(ask("shards", "state=down")["shards"], json::array());
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
  EXPECT_EQ(Get("/api/v1/nodes")["observation"]["stale_since"], "1970-01-01T00:00:01.500Z");
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
  EXPECT_EQ(events[1], (json{{"at", "1970-01-01T00:00:00.012Z"},
                             {"kind", "applied"},
                             {"vhost", "/"},
                             {"exchange", "web"},
                             {"message", "declare-shard 6"}}));
  const json last = json::parse(Ask("GET", "/api/v1/events", "limit=1").body)["events"];
  ASSERT_EQ(last.size(), 1u);
  EXPECT_EQ(last[0]["kind"], "applied");
  for (const char* query : {"limit=", "limit=-1", "limit=1x", "limit=99999999999999999999", "limit=+1",
                            "limit=1&limit=2", "other=1", "limit"}) {
    EXPECT_EQ(Ask("GET", "/api/v1/events", query).status, 400) << query;
  }
  EXPECT_EQ(json::parse(Ask("GET", "/api/v1/events", "kind=node-down").body)["total"], 1);
  EXPECT_EQ(json::parse(Ask("GET", "/api/v1/events", "vhost=/&exchange=web").body)["events"][0]["kind"], "applied");
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
  EXPECT_EQ(Ask("GET", "/api/v1/nodes/rabbit%40host%201/drain").Field("Allow"), "POST, DELETE, OPTIONS");
  EXPECT_EQ(Ask("POST", "/api/v1/nodes/%ff/drain").status, 400);
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
