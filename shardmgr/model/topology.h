// Topology: everything one observation of a cluster saw, as plain values.
//
// Filled by shardmgr/broker/management (one fixed set of API requests), drawn by hand in tests,
// read by the planner. Nothing here decides anything. Counts that the broker did not report are
// unset rather than zero: a decision must never take "unknown" for "empty".
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "policies/parameter.h"

namespace warren {

/// One AMQP listener that a node reports (`listeners` of GET /api/overview).
struct Listener {
  std::string protocol;  ///< "amqp", "amqp/ssl", …
  std::string address;   ///< As reported; "::" or "0.0.0.0" are wildcards.
  std::uint16_t port = 0;
};

struct Node {
  std::string name;  ///< "rabbit1@host"
  bool running = false;
  bool memory_alarm = false;
  bool disk_alarm = false;
  std::optional<bool> maintenance;  ///< Only brokers newer than 3.10 tell.
  std::vector<Listener> listeners;
};

struct Exchange {
  std::string vhost;
  std::string name;
  std::string type;  ///< "x-consistent-hash", "direct", …
  bool durable = false;
  bool auto_delete = false;
  bool internal = false;
  nlohmann::json arguments = nlohmann::json::object();
  std::string policy;  ///< Name of the broker's own policy that applies; empty: none.
};

struct Queue {
  std::string vhost;
  std::string name;
  std::string node;   ///< Home node of a classic queue, leader of a quorum queue.
  std::string type;   ///< "classic", "quorum", "stream"
  std::string state;  ///< "running", "down", "idle", …
  bool durable = false;
  bool auto_delete = false;
  bool exclusive = false;
  nlohmann::json arguments = nlohmann::json::object();
  std::optional<std::uint64_t> ready;      ///< Up to one statistics interval (5 s) old.
  std::optional<std::uint64_t> unacked;    ///< As above.
  std::optional<std::uint64_t> consumers;  ///< As above.
  std::optional<double> publish_per_second;
  std::optional<double> deliver_per_second;
  std::optional<std::uint64_t> published;  ///< Messages published to it so far; up to one statistics interval old.
  std::vector<std::string> members;        ///< Nodes that hold a quorum queue.
  std::string policy;                      ///< Name of the broker's own policy that applies; empty: none.
  std::string operator_policy;             ///< As above.
  nlohmann::json policy_definition = nlohmann::json::object();  ///< What these two come to, by key.
};

struct Binding {
  std::string vhost;
  std::string source;
  std::string destination;
  bool to_queue = true;  ///< false: the destination is an exchange.
  std::string routing_key;
  nlohmann::json arguments = nlohmann::json::object();
};

/// A policy of the broker (rabbitmqctl set_policy); not one of Warren's.
struct BrokerPolicy {
  std::string vhost;
  std::string name;
  nlohmann::json definition = nlohmann::json::object();
};

struct Topology {
  std::int64_t observed_at_ms = 0;  ///< Unix time at which the observation began, milliseconds.
  std::int64_t took_ms = 0;  ///< From then until its last answer. The broker serves counts from a cache that lives
                             ///< for five times as long as it took to gather them.
  std::string cluster_name;
  std::string rabbitmq_version;
  std::vector<std::string> vhosts;
  std::vector<Node> nodes;
  std::vector<Exchange> exchanges;
  std::vector<Queue> queues;
  std::vector<Binding> bindings;
  std::vector<Parameter> parameters;  ///< Global parameters whose names are Warren's.
  std::vector<BrokerPolicy> policies;
};

}  // namespace warren
