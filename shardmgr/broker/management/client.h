// Client: the RabbitMQ management HTTP API, as far as Warren needs it.
//
// Observe() reads a whole cluster in a number of requests that does not grow with it; the rest are
// single reads and idempotent writes. Calls block for at most the timeout for each URL tried, and
// may come from any thread, several at once. The HTTP library stays behind this header (transport.cc
// alone includes it), JSON goes through policies/json.h, and deciding what to do is left to shardmgr/plan.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "policies/error.h"
#include "policies/parameter.h"
#include "policies/stream_spec.h"
#include "shardmgr/model/topology.h"

namespace warren::management {

/// How to reach the management API.
struct ClientOptions {
  std::vector<std::string> urls = {"http://127.0.0.1:15672"};  ///< Tried in order, from the last that worked.
  std::string user = "guest";
  std::string password = "guest";
  std::string token = {};                     ///< If not empty, shown (RFC 6750) in place of user and password.
  std::chrono::milliseconds timeout{10'000};  ///< For one request to one URL, from connecting to the last byte.
  std::string tls_ca_file;                    ///< PEM; empty: the system's authorities.
  std::size_t max_body_bytes = std::size_t{256} << 20;  ///< A longer answer is refused while it is being read.
};

/// The user that the client logs in as.
struct User {
  std::string name;
  std::vector<std::string> tags;  ///< "administrator", "monitoring", "policymaker", …
};

/// One consumer of a queue.
struct Consumer {
  std::string vhost;
  std::string queue;
  std::string consumer_tag;
  std::string connection;  ///< Name of its connection; empty when the broker does not tell.
  std::optional<std::uint64_t> prefetch;
  bool ack_required = true;
  bool active = true;  ///< False: waits behind a single active consumer.
};

/// What a write found.
enum class WriteOutcome {
  kChanged,    ///< It was not so before (201, or a delete that found something).
  kUnchanged,  ///< It was so already (204, or a delete that found nothing).
};

/// What must hold for a queue to be deleted; the broker checks it in the same step.
struct DeleteIf {
  bool empty = false;   ///< No message is ready. Unacknowledged ones do not count (all versions).
  bool unused = false;  ///< It has no consumer.
};

/// Whether an observation can do without global parameters.
enum class ParameterAccess {
  kRequired,  ///< A user without tag policymaker makes Observe fail with kForbidden.
  kOptional,  ///< Such a user sees no parameters; for clusters whose policies come from files.
};

/// Errors of every call: kUnavailable (refused, unknown host, closed, 5xx), kTimeout, kUnauthorized (401),
/// kForbidden (403), kNotFound (404), kConflict (declared with other properties), kInvalid (other 400),
/// kProtocol (the answer is not the API's), kConfiguration (URL or CA file). The context is the URL.
class Client {
 public:
  /// Never fails and opens no connection; URLs or files that cannot be used are reported by the first call.
  explicit Client(ClientOptions options);
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  /// Ends the calls of all threads with kUnavailable, at once, and all that follow: for a program that ends. What was
  /// sent may be carried out.
  void Cancel() const;

  /// The whole cluster, in nine requests; the broker's own policies are left out where the user may not read them.
  /// `observed_at_ms` is taken before the first of them.
  Result<Topology> Observe(ParameterAccess access = ParameterAccess::kRequired) const;

  /// Queues and bindings alone, in two requests: of each queue its place, its state and its counts, which are
  /// statistics up to ten seconds old. The rest of the topology is left empty. Sees what the user may.
  Result<Topology> ObserveQueues() const;

  /// Name and tags of the user (GET /api/whoami).
  Result<User> WhoAmI() const;

  /// Fails unless the node that answers has no local alarm and is running (GET /api/health/checks/local-alarms).
  Result<void> Health() const;

  /// Names of all virtual hosts.
  Result<std::vector<std::string>> ListVhosts() const;

  /// Warren's global parameters, by name; those of others are left out.
  Result<std::vector<Parameter>> ListGlobalParameters() const;
  Result<WriteOutcome> PutGlobalParameter(std::string_view name, const nlohmann::json& value) const;
  /// Deleting what is not there is no error: kUnchanged.
  Result<WriteOutcome> DeleteGlobalParameter(std::string_view name) const;

  /// Declares a queue with its leader on `node`. The broker may still put it elsewhere (a
  /// queue-master-locator policy): read it back. kConflict: it is there with other properties.
  Result<WriteOutcome> PutQueue(std::string_view vhost, std::string_view name, const QueueTemplate& queue,
                                std::string_view node) const;
  /// Binds a queue. Doing it again changes nothing, and is reported as kChanged: the API does not tell.
  Result<WriteOutcome> PutBinding(std::string_view vhost, std::string_view exchange, std::string_view queue,
                                  std::string_view routing_key) const;
  /// Binds an exchange to another, which is the source; as PutBinding.
  Result<WriteOutcome> PutExchangeBinding(std::string_view vhost, std::string_view source, std::string_view destination,
                                          std::string_view routing_key) const;
  /// Declares `exchange.name` in `exchange.vhost`.
  Result<WriteOutcome> PutExchange(const Exchange& exchange) const;

  /// Unbinds a queue: the binding with this routing key and exactly these arguments. What is not there, binding,
  /// queue, exchange or virtual host, needs no unbinding: kUnchanged.
  Result<WriteOutcome> DeleteBinding(std::string_view vhost, std::string_view exchange, std::string_view queue,
                                     std::string_view routing_key, const nlohmann::json& arguments) const;
  /// As DeleteBinding, of an exchange from another.
  Result<WriteOutcome> DeleteExchangeBinding(std::string_view vhost, std::string_view source,
                                             std::string_view destination, std::string_view routing_key,
                                             const nlohmann::json& arguments) const;
  /// Deletes an exchange that is the source of no binding; kUnchanged when there is none. kConflict: it is one.
  Result<WriteOutcome> DeleteUnusedExchange(std::string_view vhost, std::string_view name) const;
  /// Deletes a queue; kUnchanged when there is none. kConflict: a condition does not hold. The broker refuses both
  /// conditions for quorum queues (400).
  Result<WriteOutcome> DeleteQueue(std::string_view vhost, std::string_view name, DeleteIf only_if) const;
  /// Drops the messages that are ready; those unacknowledged stay. kNotFound when there is no such queue.
  Result<void> PurgeQueue(std::string_view vhost, std::string_view name) const;

  /// One queue; kNotFound when it is not there.
  Result<Queue> GetQueue(std::string_view vhost, std::string_view name) const;
  /// Whether a message is ready in the queue now: takes one and puts it back. For when statistics are too old to go
  /// by; a message that was there is marked as redelivered. Needs read permission. kNotFound: no such queue.
  Result<bool> HasReadyMessage(std::string_view vhost, std::string_view name) const;
  /// Names of the queues bound to an exchange, without doubles, sorted. Empty also when the exchange is not
  /// there: the API (3.10) does not tell the two apart.
  Result<std::vector<std::string>> ListQueueBindingsFromExchange(std::string_view vhost,
                                                                 std::string_view exchange) const;
  /// Names of the shards that an exchange reaches now, without doubles, sorted: the queues bound to it; and with stable
  /// placement, where the shards' exchanges are, those of them whose queue is there, not down and not being drained. Up
  /// to two more requests for these.
  Result<std::vector<std::string>> ListServingShards(std::string_view vhost, std::string_view exchange) const;
  /// Bindings of an exchange as source, keys and arguments included.
  Result<std::vector<Binding>> ListBindingsFromExchange(std::string_view vhost, std::string_view exchange) const;
  /// Name, state and counts of the queues of a virtual host whose names contain `part`, by name. One request for each
  /// 500 of them; the broker looks up the counts of these alone.
  Result<std::vector<Queue>> ListQueuesNamed(std::string_view vhost, std::string_view part) const;
  /// Consumers of one virtual host.
  Result<std::vector<Consumer>> ListConsumers(std::string_view vhost) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace warren::management
