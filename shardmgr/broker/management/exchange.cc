// From HTTP status and body to Reply or Error.
//
// RabbitMQ 3.10 answers 401 both for wrong passwords ("Login failed") and for missing tags ("Not
// monitor user", "User not authorised to access object"), later versions 403 for some of these, so
// the reason in the body decides as well as the status.
#include "shardmgr/broker/management/exchange.h"

#include "policies/json.h"

namespace warren::management {
namespace {

constexpr std::string_view kNotTheApi =
    "this is not the RabbitMQ management API; give --management the URL of the management listener "
    "(by default http://HOST:15672)";

bool Contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

bool LooksLikeHtml(const Answer& answer) {
  if (Contains(answer.content_type, "html")) return true;
  const std::size_t first = answer.body.find_first_not_of(" \t\r\n");
  return first != std::string::npos && answer.body[first] == '<';
}

/// `reason` of {"error":…,"reason":…}, else the start of the body.
std::string ReasonOf(const Answer& answer) {
  constexpr std::size_t kMaxReason = 300;
  if (auto document = ParseJson(answer.body, "answer", JsonRules::kForeign); document && document->is_object()) {
    for (const char* key : {"reason", "error"}) {
      const auto found = document->find(key);
      if (found != document->end() && found->is_string()) return found->get<std::string>().substr(0, kMaxReason);
    }
  }
  std::string start = answer.body.substr(0, kMaxReason);
  std::replace_if(
      start.begin(), start.end(), [](unsigned char c) { return c < 0x20 || c > 0x7e; }, ' ');
  return start;
}

std::string InParentheses(const std::string& reason) { return reason.empty() ? "" : " (" + reason + ")"; }

Error MissingTag(std::string_view user, std::string_view tag, std::string_view what_for) {
  return {ErrorCode::kForbidden,
          "user '" + std::string(user) + "' lacks the tag '" + std::string(tag) + "', which " + std::string(what_for) +
              " needs; a user with tags policymaker and monitoring can do all that is needed here "
              "(rabbitmqctl set_user_tags " +
              std::string(user) + " policymaker monitoring)",
          {}};
}

/// 401 and 403.
Error Refused(const Request& request, const Answer& answer, std::string_view user) {
  const std::string reason = ReasonOf(answer);
  if (Contains(reason, "Not management user")) return MissingTag(user, "management", "the management API");
  if (Contains(reason, "Not monitor user")) return MissingTag(user, "monitoring", request.path);
  const bool names_access = Contains(reason, "not authorised") || Contains(reason, "not authorized to access");
  if (names_access || answer.status == 403) {
    if (request.path.starts_with("/api/global-parameters")) {
      return MissingTag(user, "policymaker", "access to global parameters");
    }
    if (request.path.starts_with("/api/nodes")) return MissingTag(user, "monitoring", "/api/nodes");
    return {
        ErrorCode::kForbidden,
        "user '" + std::string(user) + "' may not do this" + InParentheses(reason) +
            "; give it configure, write and read permission there (rabbitmqctl set_permissions), or use another --user",
        {}};
  }
  return {ErrorCode::kUnauthorized,
          "the broker does not accept this user name and password for user '" + std::string(user) + "'" +
              InParentheses(reason) + "; check --user and --password-file (or WARREN_PASSWORD)",
          {}};
}

Error BadRequest(const Answer& answer) {
  const std::string reason = ReasonOf(answer);
  if (Contains(reason, "inequivalent arg")) {
    return {ErrorCode::kConflict, "it is there already with other properties: " + reason, {}};
  }
  if (reason.ends_with(" not empty") || reason.ends_with(" in use")) {  // queue.delete with if-empty, if-unused
    return {ErrorCode::kConflict, reason, {}};
  }
  if (Contains(reason, "could not be contacted")) {
    return {ErrorCode::kUnavailable, reason + "; it has to be a running node of this cluster", {}};
  }
  return {
      ErrorCode::kInvalid, "the broker refuses it (status 400): " + (reason.empty() ? "no reason given" : reason), {}};
}

Error NotFound(const Answer& answer) {
  const std::string reason = ReasonOf(answer);
  if (Contains(reason, "vhost_not_found")) {
    return {
        ErrorCode::kNotFound, "there is no such virtual host; create it (rabbitmqctl add_vhost), or name another", {}};
  }
  const bool silent = reason.empty() || reason == "Not Found";
  return {ErrorCode::kNotFound, silent ? "there is no such thing (status 404)" : reason + " (status 404)", {}};
}

Error FailureOf(const Request& request, const Answer& answer, std::string_view user) {
  const std::string status = std::to_string(answer.status);
  if (answer.status >= 500) {
    return {ErrorCode::kUnavailable,
            "the answer is status " + status + InParentheses(LooksLikeHtml(answer) ? "" : ReasonOf(answer)) +
                "; the broker's log says why, or whatever stands between here and the broker",
            {}};
  }
  if (LooksLikeHtml(answer)) {
    return {ErrorCode::kProtocol, "the answer is an HTML page (status " + status + "): " + std::string(kNotTheApi), {}};
  }
  if (answer.status == 400) return BadRequest(answer);
  if (answer.status == 401 || answer.status == 403) return Refused(request, answer, user);
  if (answer.status == 404) return NotFound(answer);
  return {ErrorCode::kProtocol, "the answer has status " + status + ": " + std::string(kNotTheApi), {}};
}

}  // namespace

Result<Reply> Judge(const Request& request, const Answer& answer, std::string_view user) {
  if (answer.status < 200 || answer.status > 299) return tl::unexpected(FailureOf(request, answer, user));
  Reply reply;
  reply.status = answer.status;
  if (request.method != "GET" && answer.body.empty()) return reply;
  if (answer.body.empty()) {
    return Fail(ErrorCode::kProtocol,
                "the answer has no body (status " + std::to_string(answer.status) + "): " + std::string(kNotTheApi));
  }
  if (LooksLikeHtml(answer)) {
    return Fail(ErrorCode::kProtocol, "the answer is an HTML page: " + std::string(kNotTheApi));
  }
  auto document = ParseJson(answer.body, "", JsonRules::kForeign);
  if (!document) {
    return Fail(ErrorCode::kProtocol, "the answer of " + std::to_string(answer.body.size()) +
                                          " bytes is no complete JSON document (" + document.error().message +
                                          "): it was cut short, or " + std::string(kNotTheApi));
  }
  reply.document = std::move(*document);
  return reply;
}

bool WorthTryingElsewhere(const Error& error, const Answer& answer) {
  return error.code == ErrorCode::kProtocol || answer.status >= 500;
}

}  // namespace warren::management
