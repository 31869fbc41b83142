// What warren-proxy is told: its options as values, read once at start. See docs/man/warren-proxy.1.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "policies/error.h"
#include "proxy/http/routing_key.h"
#include "shardmgr/broker/amqp/types.h"
#include "shardmgr/program/options.h"
#include "shardmgr/program/units.h"

namespace warren::proxy {

struct ProxyOptions {
  std::string exchange;
  program::Address listen;
  program::Address metrics_listen;
  int threads = 1;
  std::vector<amqp::Endpoint> nodes;
  amqp::ConnectionOptions connection;  ///< Credentials, vhost, TLS; its endpoint is not used.
  std::vector<std::string> management_urls;
  HashOn hash_on;
  bool fail_without_consumers = false;
  bool expose_origin = false;
  bool trust_forwarded = false;
  std::string access_log;  ///< "off", "-" or a file.
  bool access_log_json = false;
  std::string instance;  ///< Unlike any other proxy's.
  std::size_t max_body_bytes = 0;
  std::size_t max_head_bytes = 0;
  std::size_t max_connections = 0;
  std::size_t max_requests = 0;
  std::size_t max_bytes = 0;
  std::chrono::milliseconds timeout{}, head_timeout{}, body_timeout{}, idle_timeout{}, drain_timeout{};
};

/// The option set of warren-proxy.
program::OptionSet MakeOptionSet();

/// The values, checked against each other. Reads the password file. Errors: kConfiguration.
Result<ProxyOptions> ReadOptions(const program::Parsed& parsed);

}  // namespace warren::proxy
