// The values that go in and out of an AMQP connection: endpoints, credentials, declarations,
// deliveries. rabbitmq-c's structs serve as views of properties and tables on the hot path
// (amqp_basic_properties_t, amqp_table_t); what has to outlive a callback is copied by its owner.
#pragma once

#include <amqp.h>
#include <amqp_framing.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "policies/error.h"
#include "shardmgr/broker/amqp/bytes.h"
#include "shardmgr/broker/amqp/table.h"

namespace warren::amqp {

/// Where a broker node listens. `tls` for amqps.
struct Endpoint {
  std::string host;
  std::uint16_t port = 5672;
  bool tls = false;

  std::string ToString() const;  ///< "host:port" ("amqps://host:port"; IPv6 in brackets).
  bool operator==(const Endpoint&) const = default;
};

/// "HOST:PORT", "HOST", "[::1]:5672", "amqp://…", "amqps://…". Errors say what would be right.
Result<Endpoint> ParseEndpoint(std::string_view text);

struct Credentials {
  std::string user = "guest";
  std::string password = "guest";
};

/// Longest body that is taken from the broker unless ConnectionOptions says otherwise. Newer brokers refuse
/// longer ones too (max_message_size: 16 MiB by default from 4.0 on, 128 MiB before).
inline constexpr std::size_t kMaxMessageBytes = 64u << 20;

struct ConnectionOptions {
  Endpoint endpoint;
  Credentials credentials;
  std::string vhost = "/";
  std::string name;                                     ///< `connection_name` that the broker shows.
  std::string tls_ca_file;                              ///< Empty: the system's.
  std::chrono::seconds heartbeat{10};                   ///< Proposed; the broker's is used when smaller. 0: none.
  std::chrono::milliseconds handshake_timeout{10'000};  ///< TCP, TLS and AMQP together.
  std::uint32_t frame_max = 131'072;
  std::uint16_t channel_max = 2'047;
  std::size_t max_message_bytes = kMaxMessageBytes;  ///< A larger delivery arrives without its body.
};

struct QueueDeclare {
  std::string name;  ///< Empty: the broker makes one up.
  bool passive = false, durable = false, exclusive = false, auto_delete = false;
  Table arguments = {};
};

struct QueueDeclared {
  std::string name;
  std::uint32_t messages = 0;
  std::uint32_t consumers = 0;
};

struct ExchangeDeclare {
  std::string name;
  std::string type;
  bool passive = false, durable = false, auto_delete = false, internal = false;
  Table arguments = {};
};

/// basic.deliver with its content. Views are valid during the callback only; `body` may be moved from.
struct Delivery {
  std::string_view consumer_tag;
  std::uint64_t delivery_tag = 0;
  bool redelivered = false;
  std::string_view exchange;
  std::string_view routing_key;
  const amqp_basic_properties_t& properties;
  std::string& body;
  std::uint64_t body_bytes = 0;  ///< As announced; more than body.size() when the message was too large.
  bool too_large = false;        ///< Over ConnectionOptions::max_message_bytes: the body was dropped.
  bool malformed = false;        ///< Headers not well formed or nested too deeply: `properties` is empty.

  /// Not as it was sent; all that can be done is to reject it.
  bool damaged() const { return too_large || malformed; }
};

/// basic.return with its content, same lifetime rules. Arrives before the confirm of the message.
struct Returned {
  std::uint16_t code = 0;  ///< 312 NO_ROUTE
  std::string_view text;
  std::string_view exchange;
  std::string_view routing_key;
  const amqp_basic_properties_t& properties;
  std::string& body;
};

}  // namespace warren::amqp
