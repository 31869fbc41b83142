// Client: everything that removes. What is not there any more counts as removed, so that each call may be done again.
#include <array>

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

/// The binding between source and destination (the parts of its path) with this key and these arguments.
Result<WriteOutcome> Unbind(const Caller& caller, const std::array<std::string_view, 4>& path,
                            std::string_view routing_key, const nlohmann::json& arguments, const std::string& what) {
  const auto& [vhost, source, kind, destination] = path;
  auto listed = caller.Get({"bindings", vhost, "e", source, kind, destination}, {}, what);
  if (!listed && listed.error().code == ErrorCode::kNotFound) return WriteOutcome::kUnchanged;
  if (!listed) return tl::unexpected(listed.error());
  auto key = FindPropertiesKey(*listed, routing_key, arguments);
  if (!key) return tl::unexpected(key.error().Within(what));
  if (!*key) return WriteOutcome::kUnchanged;
  return Delete(caller, {"DELETE", ApiPath({"bindings", vhost, "e", source, kind, destination, **key}), {}, {}, what});
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
  return Unbind(impl_->caller, {vhost, exchange, "q", queue}, routing_key, arguments, what);
}

Result<WriteOutcome> Client::DeleteExchangeBinding(std::string_view vhost, std::string_view source,
                                                   std::string_view destination, std::string_view routing_key,
                                                   const nlohmann::json& arguments) const {
  const std::string what = "unbinding exchange " + Quoted(destination) + " from exchange " + Quoted(source) +
                           " of virtual host " + Quoted(vhost);
  return Unbind(impl_->caller, {vhost, source, "e", destination}, routing_key, arguments, what);
}

Result<WriteOutcome> Client::DeleteUnusedExchange(std::string_view vhost, std::string_view name) const {
  const std::string what = "deleting exchange " + Quoted(name) + " of virtual host " + Quoted(vhost);
  return Delete(impl_->caller, {"DELETE", ApiPath({"exchanges", vhost, name}), "if-unused=true", {}, what});
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
