// What comes in and what goes out of the REST API, as values that know no HTTP library, and problem documents
// (RFC 9457), the form of every error. Values only; safe from any thread.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "policies/error.h"

namespace warren::coordinator {

/// One request. Fields that were not sent are empty; those sent more than once are joined with ", ".
struct ApiRequest {
  std::string method;
  std::string path;   ///< Percent-encoded, as sent.
  std::string query;  ///< As sent, without the '?'.
  std::string host = {};
  std::string origin = {};
  std::string authorization = {};
  std::string accept = {};
  std::string content_type = {};
  std::string body = {};
};

struct ApiResponse {
  int status = 200;
  std::string content_type = "application/json";  ///< Empty: the answer has no content.
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> fields = {};  ///< Beside those that every answer has.
  std::function<ApiResponse()> later = {};  ///< If set, gives the answer, and blocks for some seconds at most.

  /// The value of one of `fields`; empty when it is not there.
  std::string Field(std::string_view name) const;
};

/// An answer with a JSON document.
ApiResponse Ok(const nlohmann::json& body, int status = 200);

/// A problem document; `detail` says what was wrong and what would be right.
ApiResponse Problem(int status, const std::string& detail);

/// The problem document of an error that the broker, or asking it, brought: what it holds against our own request is
/// not the client's fault (502), what is not there is (404).
ApiResponse BrokerProblem(const Error& error);

}  // namespace warren::coordinator
