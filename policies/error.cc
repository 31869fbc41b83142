// The one table from error codes to exit codes and HTTP statuses.
#include "policies/error.h"

#include <array>

namespace warren {
namespace {

struct Row {
  ErrorCode code;
  std::string_view name;
  int exit_code;
  int http_status;
};

constexpr std::array kRows = {
    Row{ErrorCode::kUsage, "usage", 64, 400},
    Row{ErrorCode::kInvalid, "invalid", 65, 422},
    Row{ErrorCode::kUnsupported, "unsupported", 65, 501},
    Row{ErrorCode::kNotFound, "not-found", 69, 404},
    Row{ErrorCode::kConflict, "conflict", 69, 409},
    Row{ErrorCode::kUnauthorized, "unauthorized", 78, 401},
    Row{ErrorCode::kForbidden, "forbidden", 78, 403},
    Row{ErrorCode::kUnavailable, "unavailable", 69, 503},
    Row{ErrorCode::kTimeout, "timeout", 75, 504},
    Row{ErrorCode::kProtocol, "protocol", 70, 502},
    Row{ErrorCode::kPartial, "partial", 3, 500},
    Row{ErrorCode::kConfiguration, "configuration", 78, 500},
    Row{ErrorCode::kInternal, "internal", 70, 500},
};

constexpr const Row& Find(ErrorCode code) {
  for (const Row& row : kRows) {
    if (row.code == code) return row;
  }
  return kRows.back();
}

}  // namespace

std::string Error::ToString() const { return context.empty() ? message : context + ": " + message; }

Error Error::Within(std::string_view where) const {
  Error outer = *this;
  outer.context = context.empty() ? std::string(where) : std::string(where) + ": " + context;
  return outer;
}

std::string_view Name(ErrorCode code) { return Find(code).name; }
int ExitCode(ErrorCode code) { return Find(code).exit_code; }
int HttpStatus(ErrorCode code) { return Find(code).http_status; }

}  // namespace warren
