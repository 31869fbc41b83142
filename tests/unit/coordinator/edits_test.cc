// Definitions and policies written through the REST API: what is refused before the broker is asked, and what it said.
#include "coordinator/api/edits.h"

#include "api_fixture.h"

namespace warren::coordinator {
namespace {

constexpr const char* kDefinition = "/api/v1/definitions/my_stream";
constexpr const char* kPolicy = "/api/v1/policies/%2F/my%20policy";
constexpr const char* kPolicyValue = R"({"pattern": "^shard\\.", "definition": {"stream-definition": "x"}})";

class Edits : public ApiTest {};

TEST_F(Edits, WriteADefinitionAndSayWhetherItIsNew) {
  const ApiResponse first = Put(kDefinition, R"({"shards-per-node": 2, "routing-key": "red"})");
  ASSERT_TRUE(first.later) << first.body;
  EXPECT_TRUE(editor_.written.empty());  // Not on the caller's thread.
  const ApiResponse made = first.later();
  EXPECT_EQ(made.status, 201);
  const json document = json::parse(made.body);
  EXPECT_EQ(document["name"], "my_stream");
  EXPECT_EQ(document["value"]["shards-per-node"], 2);
  EXPECT_EQ(document["advice"].size(), 1u);
  EXPECT_EQ(Put(kDefinition, "{}").later().status, 200);
  EXPECT_EQ(editor_.written, (std::map<std::string, json>{{"stream-definition.my_stream", json::object()}}));
}

TEST_F(Edits, WriteAPolicyOfAVhostThatIsThere) {
  EXPECT_EQ(Put(kPolicy, kPolicyValue).later().status, 201);
  EXPECT_TRUE(editor_.written.contains("stream-policy.%2F.my policy"));
  EXPECT_EQ(Put("/api/v1/policies/elsewhere/p", kPolicyValue).later().status, 404);
  const auto advised = [&](const char* body) { return json::parse(Put(kPolicy, body).later().body)["advice"].size(); };
  EXPECT_EQ(advised(kPolicyValue), 0u);
  EXPECT_EQ(advised(R"({"pattern": "a", "definition": {"stream-definition": "not there"}})"), 1u);
}

TEST_F(Edits, RefuseWhatIsNoJson) {
  for (const char* body : {"", "{", "{\"http\": true, \"http\": false}", "{} {}", "\xff", "{'http': true}"}) {
    EXPECT_EQ(Put(kDefinition, body).status, 400) << body;
  }
  EXPECT_EQ(Put(kDefinition, std::string(100, '[') + std::string(100, ']')).status, 400);
  for (const char* type : {"", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1",
                           "application/json, application/json"}) {
    EXPECT_EQ(Put(kDefinition, "{}", type).status, 415) << type;
  }
  EXPECT_TRUE(Put(kDefinition, "{}", "Application/JSON; charset=UTF-8").later);
}

TEST_F(Edits, RefuseValuesThatTheValidatorsRefuse) {
  for (const char* body :
       {"[]", "null", R"({"shards-per-node": 0})", R"({"shard-per-node": 1})", R"({"http": "yes"})"}) {
    const ApiResponse answer = Put(kDefinition, body);
    EXPECT_EQ(answer.status, 422) << body;
    EXPECT_NE(json::parse(answer.body)["detail"].get<std::string>().find("'my_stream'"), std::string::npos);
  }
  EXPECT_EQ(Put(kPolicy, R"({"pattern": "(", "definition": {"stream-definition": "x"}})").status, 422);
  EXPECT_EQ(Put(kPolicy, R"({"pattern": "a"})").status, 422);
  EXPECT_TRUE(editor_.written.empty());
}

TEST_F(Edits, DeleteWhatIsThere) {
  editor_.written["stream-definition.my_stream"] = json::object();
  EXPECT_EQ(Ask("DELETE", kDefinition).later().status, 204);
  const ApiResponse again = Ask("DELETE", kDefinition).later();
  EXPECT_EQ(again.status, 404);
  EXPECT_NE(again.body.find("stream definition 'my_stream'"), std::string::npos);
}

TEST_F(Edits, LeaveAloneWhatAFileOverrides) {
  snapshot_.parameters = {{"stream-definition.my_stream", json::object(), "/etc/warren/x.json"}};
  EXPECT_EQ(Put(kDefinition, "{}").status, 409);
  const ApiResponse answer = Ask("DELETE", kDefinition);
  EXPECT_EQ(answer.status, 409);
  EXPECT_NE(answer.body.find("/etc/warren/x.json"), std::string::npos);
  EXPECT_EQ(Put("/api/v1/definitions/other", "{}").later().status, 201);
}

TEST_F(Edits, SayWhatTheBrokerHasAgainstThem) {
  const auto status_of = [&](ErrorCode code) {
    editor_.failure = Error{code, "no", "http://x"};
    return Put(kDefinition, "{}").later().status;
  };
  EXPECT_EQ(status_of(ErrorCode::kUnavailable), 503);
  EXPECT_EQ(status_of(ErrorCode::kTimeout), 504);
  EXPECT_EQ(status_of(ErrorCode::kForbidden), 502);
  EXPECT_EQ(status_of(ErrorCode::kInvalid), 502);
  snapshot_.observed_at_ms = 0;
  EXPECT_EQ(Put(kDefinition, "{}").status, 503);
  EXPECT_EQ(Ask("DELETE", kPolicy).status, 503);
}

TEST_F(Edits, TakeNoNamesThatNoBrokerTakes) {
  EXPECT_EQ(Put("/api/v1/definitions/%ff", "{}").status, 400);
  EXPECT_EQ(Put("/api/v1/definitions/%2", "{}").status, 400);
  EXPECT_EQ(Put("/api/v1/definitions/", "{}").status, 404);
}

}  // namespace
}  // namespace warren::coordinator
