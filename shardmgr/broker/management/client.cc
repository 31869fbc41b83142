// Client: construction, and everything that sets or declares. Each write may be done again with the same effect.
#include "shardmgr/broker/management/client.h"

#include "shardmgr/broker/management/client_impl.h"
#include "shardmgr/broker/management/encode.h"
#include "shardmgr/broker/management/paths.h"

namespace warren::management {
namespace {

constexpr int kCreated = 201;

Result<WriteOutcome> Write(const Caller& caller, Request request, const nlohmann::json& body) {
  auto text = Encode(body);
  if (!text) return tl::unexpected(text.error().Within(request.what));
  request.body = std::move(*text);
  auto reply = caller.Call(request);
  if (!reply) return tl::unexpected(reply.error());
  return reply->status == kCreated ? WriteOutcome::kChanged : WriteOutcome::kUnchanged;
}

std::string Quoted(std::string_view name) { return "'" + std::string(name) + "'"; }

}  // namespace

Client::Client(ClientOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

void Client::Cancel() const { impl_->caller.Cancel(); }

Result<WriteOutcome> Client::PutGlobalParameter(std::string_view name, const nlohmann::json& value) const {
  return Write(impl_->caller,
               {"PUT", ApiPath({"global-parameters", name}), {}, {}, "setting global parameter " + Quoted(name)},
               {{"name", name}, {"value", value}});
}

Result<WriteOutcome> Client::PutQueue(std::string_view vhost, std::string_view name, const QueueTemplate& queue,
                                      std::string_view node) const {
  const std::string what = "declaring queue " + Quoted(name) + " of virtual host " + Quoted(vhost);
  return Write(impl_->caller, {"PUT", ApiPath({"queues", vhost, name}), {}, {}, what}, QueueBody(queue, node));
}

Result<WriteOutcome> Client::PutBinding(std::string_view vhost, std::string_view exchange, std::string_view queue,
                                        std::string_view routing_key) const {
  const std::string what =
      "binding queue " + Quoted(queue) + " to exchange " + Quoted(exchange) + " of virtual host " + Quoted(vhost);
  return Write(impl_->caller, {"POST", ApiPath({"bindings", vhost, "e", exchange, "q", queue}), {}, {}, what},
               BindingBody(routing_key));
}

Result<WriteOutcome> Client::PutExchangeBinding(std::string_view vhost, std::string_view source,
                                                std::string_view destination, std::string_view routing_key) const {
  const std::string what = "binding exchange " + Quoted(destination) + " to exchange " + Quoted(source) +
                           " of virtual host " + Quoted(vhost);
  return Write(impl_->caller, {"POST", ApiPath({"bindings", vhost, "e", source, "e", destination}), {}, {}, what},
               BindingBody(routing_key));
}

Result<WriteOutcome> Client::PutExchange(const Exchange& exchange) const {
  const std::string what = "declaring exchange " + Quoted(exchange.name) + " of virtual host " + Quoted(exchange.vhost);
  return Write(impl_->caller, {"PUT", ApiPath({"exchanges", exchange.vhost, exchange.name}), {}, {}, what},
               ExchangeBody(exchange));
}

}  // namespace warren::management
