// One GET through the transport that the management client has.
#include "coordinator/ctl/coordinator_client.h"

#include "policies/json.h"
#include "shardmgr/broker/management/transport.h"

namespace warren::ctl {
namespace {

constexpr std::string_view kRemedy =
    "; start warren-coordinator, or give the address of its --listen with --coordinator";

/// The transport's remedies are for brokers.
Error Reworded(const Error& error) {
  if (error.code != ErrorCode::kUnavailable) return error;
  return {error.code, error.message.substr(0, error.message.find(';')) + std::string(kRemedy), error.context};
}

Result<nlohmann::json> Judge(const management::Answer& answer, const std::string& path) {
  if (answer.status == 401) {
    return Fail(ErrorCode::kUnauthorized,
                "it takes a token, and another than was given; give --token-file with that of "
                "the coordinator's");
  }
  if (answer.status >= 500) {
    return Fail(ErrorCode::kUnavailable, "the answer has status " + std::to_string(answer.status));
  }
  if (answer.status == 404) {
    return Fail(ErrorCode::kProtocol,
                "there is no " + path + ": this is no coordinator, or an older one" + std::string(kRemedy));
  }
  auto document = ParseJson(answer.body, "", JsonRules::kForeign);
  if (answer.status != 200 || !document || !document->is_object()) {
    return Fail(ErrorCode::kProtocol, "the answer (status " + std::to_string(answer.status) +
                                          ") is not that of a coordinator" + std::string(kRemedy));
  }
  return document;
}

}  // namespace

Result<nlohmann::json> AskCoordinator(const Context& context, const std::string& path) {
  management::ClientOptions options;
  options.urls = {context.coordinator};
  options.user.clear();  // The broker's password is none of its business.
  options.password.clear();
  options.token = context.token;
  options.timeout = context.request_timeout;
  options.tls_ca_file = context.tls_ca_file;
  const management::Transport transport(options);
  const std::string what = "asking the coordinator at " + transport.url(0);
  auto answer = transport.Send(0, {"GET", path, {}, {}, what});
  if (!answer) return tl::unexpected(Reworded(answer.error()).Within(what));
  auto document = Judge(*answer, path);
  if (!document) return tl::unexpected(document.error().Within(what));
  return document;
}

}  // namespace warren::ctl
