// The REST API as a function: method and path in, status and JSON out, from one snapshot. Knows no
// HTTP library; server.h carries it. docs/rest.md describes every endpoint. Pure, any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "coordinator/status.h"

namespace warren::coordinator {

struct ApiResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::string allow;  ///< For the Allow field of a 405.
};

/// What a request may see and do.
struct ApiContext {
  std::shared_ptr<const Snapshot> snapshot;
  std::int64_t now_ms = 0;
  std::chrono::milliseconds interval{5'000};
  std::function<void()> trigger;  ///< POST /api/v1/reconcile
};

/// `path` is percent-encoded, without query. Errors are problem documents (RFC 9457).
ApiResponse Route(const ApiContext& context, std::string_view method, std::string_view path);

}  // namespace warren::coordinator
