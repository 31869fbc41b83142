// See node_address.h.
#include "coordinator/node_address.h"

namespace warren::coordinator {
namespace {

bool IsWildcard(const std::string& address) {
  return address.empty() || address == "::" || address == "0.0.0.0" || address == "[::]";
}

}  // namespace

Result<amqp::Endpoint> NodeEndpoint(const Node& node, const std::map<std::string, amqp::Endpoint>& addresses,
                                    bool tls) {
  if (const auto given = addresses.find(node.name); given != addresses.end()) return given->second;
  const std::string protocol = tls ? "amqp/ssl" : "amqp";
  for (const Listener& listener : node.listeners) {
    if (listener.protocol != protocol) continue;
    const std::string host =
        IsWildcard(listener.address) ? node.name.substr(node.name.find('@') + 1) : listener.address;
    return amqp::Endpoint{host, listener.port, tls};
  }
  return Fail(
      ErrorCode::kUnavailable,
      "reports no " + protocol + " listener; say where it is reached with --node-address " + node.name + "=HOST:PORT",
      "node " + node.name);
}

}  // namespace warren::coordinator
