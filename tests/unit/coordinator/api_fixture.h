// A REST API above a snapshot of one stream, and an editor that keeps what is written in memory.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "coordinator/api/routes.h"

namespace warren::coordinator {

using nlohmann::json;

/// Keeps what is written in memory.
class FakeEditor : public ParameterEditor {
 public:
  Result<bool> Put(const std::string& name, const json& value) override {
    if (failure) return tl::unexpected(*failure);
    return written.insert_or_assign(name, value).second;
  }
  Result<bool> Clear(const std::string& name) override {
    if (failure) return tl::unexpected(*failure);
    return written.erase(name) > 0;
  }
  Result<std::vector<std::string>> Vhosts() override { return std::vector<std::string>{"/", "v 1"}; }

  std::map<std::string, json> written;
  std::optional<Error> failure;
};

class ApiTest : public ::testing::Test {
 protected:
  ApiTest() {
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
    return Send({.method = std::string(method), .path = std::string(path), .query = std::string(query)});
  }
  ApiResponse Send(const ApiRequest& request) {
    return Route({.view = {std::make_shared<const Snapshot>(snapshot_), 3'000, events_, &journal_, {}, assignments_},
                  .interval = std::chrono::seconds(5),
                  .trigger = [this] { ++triggered_; },
                  .set_drain =
                      [this](const std::string& node, bool drain) {
                        drains_.emplace_back(node, drain);
                        return drain_result_;
                      },
                  .editor = &editor_,
                  .access = {token_}},
                 request);
  }
  ApiResponse Put(std::string path, std::string body, std::string type = "application/json") {
    return Send({.method = "PUT",
                 .path = std::move(path),
                 .query = {},
                 .content_type = std::move(type),
                 .body = std::move(body)});
  }
  json Get(std::string_view path) { return json::parse(Ask("GET", path).body); }

  Snapshot snapshot_;
  int triggered_ = 0;
  EventStatus events_;
  std::shared_ptr<const AssignmentView> assignments_;
  Journal journal_;
  std::vector<std::pair<std::string, bool>> drains_;
  Result<void> drain_result_;
  FakeEditor editor_;
  std::string token_;
};

}  // namespace warren::coordinator
