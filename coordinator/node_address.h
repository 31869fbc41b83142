// Where a node's AMQP port is reached. Pure.
#pragma once

#include <map>
#include <string>

#include "policies/error.h"
#include "shardmgr/broker/amqp/types.h"
#include "shardmgr/model/topology.h"

namespace warren::coordinator {

/// --node-address when it names the node; else the node's AMQP (or, with `tls`, AMQPS) listener, whose
/// host is the listener's address unless that is a wildcard, else the host in the node's name.
/// kUnavailable when the node reports no such listener: --node-address is the remedy.
Result<amqp::Endpoint> NodeEndpoint(const Node& node, const std::map<std::string, amqp::Endpoint>& addresses, bool tls);

}  // namespace warren::coordinator
