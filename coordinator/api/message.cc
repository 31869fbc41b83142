// See message.h.
#include "coordinator/api/message.h"

namespace warren::coordinator {
namespace {

using nlohmann::json;

std::string Dump(const json& body) { return body.dump(-1, ' ', false, json::error_handler_t::replace) + "\n"; }

/// The reason phrase of a status (RFC 9110 15), which is the title of a problem without a type of its own.
std::string_view Title(int status) {
  switch (status) {
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 422: return "Unprocessable Content";
    case 431: return "Request Header Fields Too Large";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    default: return "Internal Server Error";
  }
}

}  // namespace

std::string ApiResponse::Field(std::string_view name) const {
  for (const auto& [field, value] : fields) {
    if (field == name) return value;
  }
  return {};
}

ApiResponse Ok(const json& body, int status) { return {.status = status, .body = Dump(body)}; }

ApiResponse Problem(int status, const std::string& detail) {
  return {.status = status,
          .content_type = "application/problem+json",
          .body = Dump({{"type", "about:blank"}, {"title", Title(status)}, {"status", status}, {"detail", detail}})};
}

ApiResponse BrokerProblem(const Error& error) {
  const int status = HttpStatus(error.code);
  return Problem(status == 404 || status >= 500 ? status : 502, error.ToString());
}

}  // namespace warren::coordinator
