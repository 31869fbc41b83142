// Client: everything that removes. What is not there any more counts as removed, so that each call may be done again.
#include "shardmgr/broker/management/client_impl.h"
#include "shardmgr/broker/management/parse.h"
#include "shardmgr/broker/management/paths.h"

namespace warren::management {
namespace {

std::string Quoted(std::string_view name) { return "'" + std::string(name) + "'"; }

Result<WriteOutcome> Delete(const Caller& caller, const Request& request) {
  auto reply = caller.Call(request);
  if (reply) return WriteOutcome::kChanged;
  if (reply.error().code == ErrorCode::kNotFound) return WriteOutcome::kUnchanged;
  return tl::unexpected(reply.error());
}

std::string Query(DeleteIf only_if) {
  std::string query = only_if.empty ? "if-empty=true" : "";
  if (only_if.unused) query += query.empty() ? "if-unused=true" : "&if-unused=true";
  return query;
}

}  // namespace

Result<WriteOutcome> Client::DeleteGlobalParameter(std::string_view name) const {
  return Delete(impl_->caller,
                {"DELETE", ApiPath({"global-parameters", name}), {}, {}, "clearing global parameter " + Quoted(name)});
}

Result<WriteOutcome> Client::DeleteBinding(std::string_view vhost, std::string_view exchange, std::string_view queue,
                                           std::string_view routing_key, const nlohmann::json& arguments) const {
  const std::string what =
      "unbinding queue " + Quoted(queue) + " from exchange " + Quoted(exchange) + " of virtual host " + Quoted(vhost);
  auto key = impl_->Read({"bindings", vhost, "e", exchange, "q", queue}, {}, what, [&](const nlohmann::json& document) {
    return FindPropertiesKey(document, routing_key, arguments);
  });
  if (!key && key.error().code == ErrorCode::kNotFound) return WriteOutcome::kUnchanged;
  if (!key) return tl::unexpected(key.error());
  if (!*key) return WriteOutcome::kUnchanged;
  return Delete(impl_->caller,
                {"DELETE", ApiPath({"bindings", vhost, "e", exchange, "q", queue, **key}), {}, {}, what});
}

Result<WriteOutcome> Client::DeleteQueue(std::string_view vhost, std::string_view name, DeleteIf only_if) const {
  const std::string what = "deleting queue " + Quoted(name) + " of virtual host " + Quoted(vhost);
  return Delete(impl_->caller, {"DELETE", ApiPath({"queues", vhost, name}), Query(only_if), {}, what});
}

Result<void> Client::PurgeQueue(std::string_view vhost, std::string_view name) const {
  const std::string what = "purging queue " + Quoted(name) + " of virtual host " + Quoted(vhost);
  auto reply = impl_->caller.Call({"DELETE", ApiPath({"queues", vhost, name, "contents"}), {}, {}, what});
  if (!reply) return tl::unexpected(reply.error());
  return {};
}

}  // namespace warren::management
