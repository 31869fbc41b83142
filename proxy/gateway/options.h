// What warren-gateway is told: its options as values, read once at start. See docs/man/warren-gateway.1.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "policies/error.h"
#include "proxy/gateway/conversation.h"
#include "proxy/gateway/desk.h"
#include "shardmgr/program/options.h"
#include "shardmgr/program/units.h"

namespace warren::gateway {

struct GatewayOptions {
  program::Address listen;
  program::Address metrics_listen;
  int threads = 1;
  DeskOptions desk;  ///< Nodes, the gateway's own credentials, TLS, management API.
  ConversationOptions conversation;
  std::size_t max_connections = 0;
  std::chrono::milliseconds handshake_timeout{}, drain_timeout{};
};

/// The option set of warren-gateway.
program::OptionSet MakeOptionSet();

/// The values, checked against each other. Reads the password file. Errors: kConfiguration.
Result<GatewayOptions> ReadOptions(const program::Parsed& parsed);

}  // namespace warren::gateway
