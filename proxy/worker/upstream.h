// Upstream: the handler of warren-worker. Asks an HTTP application over kept-alive connections, at the fit address
// with the fewest requests, and watches whether it can be reached at all. One connection carries one request at a time,
// so there are never more in use than the worker's concurrency.
//
// Threads: everything on one executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "policies/error.h"
#include "proxy/worker/worker.h"

namespace prometheus {
class Registry;
}

namespace warren::worker {

/// Where an application listens.
struct UpstreamAddress {
  std::string host;
  std::string port;
  std::string authority;  ///< "host:port" as in the URL; the Host field where the client sent none.
};

/// "http://HOST[:PORT]", without a path; https is not supported.
Result<UpstreamAddress> ParseUpstream(std::string_view url);

inline constexpr std::size_t kMaxUpstreams = 64;

struct UpstreamOptions {
  std::vector<UpstreamAddress> addresses;
  std::string host_header;                           ///< Sent as Host instead of what the client sent.
  std::string health_path;                           ///< Asked with GET; empty: connecting is enough.
  std::chrono::milliseconds connect_timeout{2'000};  ///< Also for the answer to a look at its health.
  std::chrono::milliseconds timeout{30'000};         ///< For one request; its deadline when that is sooner.
  std::chrono::milliseconds idle_timeout{4'000};     ///< A connection unused for longer is closed.
  std::size_t max_resting = 64;                      ///< Unused connections kept for each address.
  std::uint64_t max_body_bytes = 16u << 20;          ///< A longer response is answered 502.
};

class Upstream : public std::enable_shared_from_this<Upstream> {
 public:
  /// Stop it, and keep it until the executor runs no more. `on_health` is told when the application can be reached
  /// (first after Start) and when it cannot.
  static std::shared_ptr<Upstream> Make(boost::asio::any_io_executor executor, UpstreamOptions options,
                                        std::function<void(bool healthy)> on_health, prometheus::Registry& registry);
  virtual ~Upstream() = default;

  virtual void Start() = 0;
  /// Answers with the application's response; 502 when it gave none, 504 when it gave none in time. A request that no
  /// address takes waits for one for `connect_timeout`: nothing has run yet.
  virtual void Ask(Responder responder) = 0;
  virtual void Stop() = 0;
};

}  // namespace warren::worker
