// The REST API as a function: a request in, an answer out, from one snapshot. One table (routes.cc) has the
// resources; reading is documents.h, writing edits.h, who may ask guard.h. Knows no HTTP library; server.h carries it.
// docs/rest.md and docs/openapi.yaml describe every resource. Any thread; never blocks: what needs the broker comes
// back as a function for the server to call elsewhere.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "coordinator/api/documents.h"
#include "coordinator/api/guard.h"
#include "coordinator/api/message.h"
#include "coordinator/api/parameter_editor.h"

namespace warren::coordinator {

/// What a request may see and do.
struct ApiContext {
  View view;
  std::chrono::milliseconds interval{5'000};
  std::function<void()> trigger;  ///< POST /api/v1/reconcile
  /// Has a node drained or filled again. Blocks; for ApiResponse::later.
  std::function<Result<void>(const std::string& node, bool drain)> set_drain = {};
  ParameterEditor* editor = nullptr;  ///< Of definitions and policies; outlives the server.
  Access access = {};
};

/// Errors are problem documents (RFC 9457). HEAD is answered as GET; leaving out the content is the server's part.
ApiResponse Route(const ApiContext& context, const ApiRequest& request);

}  // namespace warren::coordinator
