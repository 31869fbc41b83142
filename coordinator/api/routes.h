// The REST API as a function: method and path in, status and JSON out, from one snapshot. Knows no
// HTTP library; server.h carries it. docs/rest.md describes every endpoint. Any thread; never blocks:
// what needs the broker comes back as a function for the server to call elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "coordinator/events.h"
#include "coordinator/journal.h"
#include "coordinator/status.h"

namespace warren::coordinator {

struct ApiResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::string allow;                        ///< For the Allow field of a 405.
  std::function<ApiResponse()> later = {};  ///< If set, gives the answer, and blocks for some seconds at most.
};

/// What a request may see and do.
struct ApiContext {
  std::shared_ptr<const Snapshot> snapshot;
  std::int64_t now_ms = 0;
  std::chrono::milliseconds interval{5'000};
  std::function<void()> trigger;  ///< POST /api/v1/reconcile
  EventStatus events = {};
  const Journal* journal = nullptr;  ///< Null: empty.
  /// Has a node drained or filled again. Blocks; for ApiResponse::later.
  std::function<Result<void>(const std::string& node, bool drain)> set_drain = {};
};

/// `path` and `query` (without '?') are percent-encoded. Errors are problem documents (RFC 9457).
ApiResponse Route(const ApiContext& context, std::string_view method, std::string_view path,
                  std::string_view query = {});

/// A problem document.
ApiResponse Problem(int status, std::string_view title, const std::string& detail);

}  // namespace warren::coordinator
