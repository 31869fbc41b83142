// One HTTP exchange with the management API, as values, and what its answer means. Pure.
//
// transport.cc carries exchanges out; this file judges them: which status is which Error, with a
// message that names the thing, the place and the remedy.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "policies/error.h"

namespace warren::management {

struct Request {
  std::string method;  ///< "GET", "PUT", "POST" or "DELETE"
  std::string path;    ///< From ApiPath, "/api/…".
  std::string query;   ///< "columns=…", or empty.
  std::string body;    ///< JSON, or empty.
  std::string what;    ///< For messages: "reading queues", "declaring queue 'x' in virtual host '/'".
};

struct Answer {
  int status = 0;
  std::string content_type;
  std::string body;
};

/// What came of a request that succeeded (status 2xx).
struct Reply {
  int status = 0;
  nlohmann::json document;  ///< Null where the answer has no body.
};

/// Reads an answer. GET needs a JSON body; other methods may have none. `user` is for messages. Errors carry no
/// context yet: the caller adds what was done and where.
Result<Reply> Judge(const Request& request, const Answer& answer, std::string_view user);

/// Whether another management URL may do better: what failed is this way to the cluster, not the request.
bool WorthTryingElsewhere(const Error& error, const Answer& answer);

}  // namespace warren::management
