// The list of assignments as a document: filters, pages, what is not known yet, what nobody consumes.
#include "api_fixture.h"

namespace warren::coordinator {
namespace {

class Assignments : public ApiTest {
 protected:
  Assignments() {
    const auto told = std::make_shared<const GivenShards>(
        GivenShards{"n1@h", {1, 1}, std::make_shared<const std::vector<std::string>>(1, "q0"), {"q1"}});
    auto view = std::make_shared<AssignmentView>();
    view->consumers = {{{"/", "a/b c"}, "w1", "worker", "n1@h", told, 1'000, 2'000},
                       {{"/", "a/b c"}, "w2", "gateway", "", nullptr, 1'500, 1'500},
                       {{"v", "other"}, "w1", "worker", "n2@h", told, 0, 0}};
    view->notices = {"no assignments in vhost 'x'"};
    assignments_ = view;
    snapshot_.streams[0].uncovered = {{"q7", "n1@h", 700, std::nullopt}};
  }
};

TEST_F(Assignments, NameEachConsumerWithItsShards) {
  const json document = Get("/api/v1/assignments");
  EXPECT_EQ(document["total"], 3);
  const json& first = document["assignments"][0];
  EXPECT_EQ(first["shards"], json({"q0", "q1"}));
  EXPECT_EQ(first["local"], 1);
  EXPECT_EQ(first["since"], "1970-01-01T00:00:01.000Z");
  EXPECT_EQ(first["last_seen"], "1970-01-01T00:00:02.000Z");
  const json& second = document["assignments"][1];
  EXPECT_EQ(second["node"], nullptr);
  EXPECT_EQ(second["shards"], json::array());
  EXPECT_EQ(document["notices"].size(), 1u);
  EXPECT_EQ(document["uncovered"][0]["queue"], "q7");
  EXPECT_EQ(document["uncovered"][0]["messages"], nullptr);
}

TEST_F(Assignments, AreThoseThatAreAskedFor) {
  const auto count = [&](const char* query) {
    const json document = json::parse(Ask("GET", "/api/v1/assignments", query).body);
    return std::pair(document["total"].get<int>(), document["uncovered"].size());
  };
  EXPECT_EQ(count("vhost=v"), std::pair(1, std::size_t{0}));
  EXPECT_EQ(count("exchange=a/b+c"), std::pair(2, std::size_t{1}));
  EXPECT_EQ(count("node=n1@h"), std::pair(1, std::size_t{1}));
  EXPECT_EQ(count("node=n2@h"), std::pair(1, std::size_t{0}));
  const json page = json::parse(Ask("GET", "/api/v1/assignments", "limit=1&offset=2").body);
  EXPECT_EQ(page["assignments"].size(), 1u);
  EXPECT_EQ(page["total"], 3);
}

TEST_F(Assignments, AreNoneBeforeAnybodyIsHeard) {
  assignments_ = nullptr;
  const json document = Get("/api/v1/assignments");
  EXPECT_EQ(document["assignments"], json::array());
  EXPECT_EQ(document["notices"], json::array());
}

}  // namespace
}  // namespace warren::coordinator
