// Which answer is which error.
#include "shardmgr/broker/management/exchange.h"

#include <gtest/gtest.h>

namespace warren::management {
namespace {

struct Case {
  Answer answer;
  std::string path;
  ErrorCode code;
  std::string words;
};

class Failures : public testing::TestWithParam<Case> {};

TEST_P(Failures, HaveTheirCodeAndNameTheRemedy) {
  const Request request{"GET", GetParam().path, {}, {}, "reading"};
  const auto reply = Judge(request, GetParam().answer, "ann");
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, GetParam().code) << reply.error().message;
  EXPECT_NE(reply.error().message.find(GetParam().words), std::string::npos) << reply.error().message;
}

INSTANTIATE_TEST_SUITE_P(
    Judge, Failures,
    testing::Values(Case{{401, "application/json", R"({"error":"not_authorized","reason":"Login failed"})"},
                         "/api/nodes",
                         ErrorCode::kUnauthorized,
                         "--password-file"},
                    Case{{401, "application/json", R"({"reason":"Not management user"})"},
                         "/api/nodes",
                         ErrorCode::kForbidden,
                         "'management'"},
                    Case{{401, "application/json", R"({"reason":"Not monitor user"})"},
                         "/api/nodes",
                         ErrorCode::kForbidden,
                         "'monitoring'"},
                    Case{{401, "application/json", R"({"reason":"User not authorised to access object"})"},
                         "/api/global-parameters",
                         ErrorCode::kForbidden,
                         "'policymaker'"},
                    Case{{403, "", ""}, "/api/global-parameters/x", ErrorCode::kForbidden, "'policymaker'"},
                    Case{{403, "", ""}, "/api/queues/%2F/x", ErrorCode::kForbidden, "permission"},
                    Case{{404, "application/json", R"({"reason":"vhost_not_found"})"},
                         "/api/queues/x/y",
                         ErrorCode::kNotFound,
                         "virtual host"},
                    Case{{400, "application/json", R"({"reason":"inequivalent arg 'durable' for queue"})"},
                         "/api/queues/x/y",
                         ErrorCode::kConflict,
                         "other properties"},
                    Case{{400, "application/json", R"({"reason":"Node n could not be contacted"})"},
                         "/api/queues/x/y",
                         ErrorCode::kUnavailable,
                         "running node"},
                    Case{{400, "application/json", R"({"reason":"queue 'q' in vhost '/' not empty"})"},
                         "/api/queues/x/y",
                         ErrorCode::kConflict,
                         "'q' in vhost '/' not empty"},
                    Case{{400, "application/json", R"({"reason":"queue 'q' in vhost '/' in use"})"},
                         "/api/queues/x/y",
                         ErrorCode::kConflict,
                         "in use"},
                    Case{{400, "", ""}, "/api/queues/x/y", ErrorCode::kInvalid, "no reason given"},
                    Case{{500, "text/html", "<html>oops"}, "/api/queues", ErrorCode::kUnavailable, "status 500"},
                    Case{{301, "", ""}, "/api/queues", ErrorCode::kProtocol, "status 301"},
                    Case{{404, "text/html", "<html>"}, "/api/queues", ErrorCode::kProtocol, "HTML"},
                    Case{{200, "text/html", "<html>"}, "/api/queues", ErrorCode::kProtocol, "HTML"},
                    Case{{200, "application/json", ""}, "/api/queues", ErrorCode::kProtocol, "no body"},
                    Case{{200, "application/json", R"([{"name":)"}, "/api/queues", ErrorCode::kProtocol, "cut short"},
                    Case{{200, "application/json", R"({"a":1 "b":2})"}, "/api/queues", ErrorCode::kProtocol, "JSON"}));

// Queue arguments are any tenant's words: they must not spoil the list for everybody.
TEST(Judge, TakesAnAnswerInWhichSomebodyWroteAKeyTwice) {
  const Request request{"GET", "/api/queues", {}, {}, "reading"};
  const auto reply = Judge(request, {200, "application/json", R"([{"a":1,"a":2}])"}, "ann");
  ASSERT_TRUE(reply) << reply.error().ToString();
}

TEST(Judge, AcceptsAWriteWithoutABody) {
  const auto reply = Judge({"PUT", "/api/queues/x/y", {}, "{}", "declaring"}, {204, "", ""}, "ann");
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 204);
}

TEST(Judge, ReadsTheAnswerOfAPost) {
  const auto reply =
      Judge({"POST", "/api/queues/x/y/get", {}, "{}", "looking"}, {200, "application/json", "[]"}, "ann");
  ASSERT_TRUE(reply);
  EXPECT_TRUE(reply->document.is_array());
  EXPECT_FALSE(Judge({"POST", "/api/queues/x/y/get", {}, "{}", "looking"}, {200, "text/html", "<html>"}, "ann"));
}

TEST(WorthTryingElsewhere, HoldsForABrokenWayAndNotForARefusedRequest) {
  EXPECT_TRUE(WorthTryingElsewhere({ErrorCode::kUnavailable, "", ""}, {503, "", ""}));
  EXPECT_TRUE(WorthTryingElsewhere({ErrorCode::kProtocol, "", ""}, {200, "text/html", ""}));
  EXPECT_FALSE(WorthTryingElsewhere({ErrorCode::kUnauthorized, "", ""}, {401, "", ""}));
  EXPECT_FALSE(WorthTryingElsewhere({ErrorCode::kConflict, "", ""}, {400, "", ""}));
}

}  // namespace
}  // namespace warren::management
