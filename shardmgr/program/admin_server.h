// AdminServer: the small HTTP server at --metrics-listen of every program: GET /metrics, /healthz
// (the process answers) and /readyz (it can do its work: 200, else 503 with the reason).
//
// One thread of its own; bounded in connections, header size and idle time, so that a stranger on
// the port cannot take the program down. docs/adr/0002-one-port-for-metrics-and-health.md says why
// this is not prometheus-cpp's Exposer. Boost.Beast is behind admin_server.cc.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "policies/error.h"
#include "shardmgr/program/metrics.h"
#include "shardmgr/program/units.h"

namespace warren::program {

/// Whether a program can do its work now, and if not, why.
struct Readiness {
  bool ready = true;
  std::string reason;  ///< One sentence; shown also when ready, if not empty.
};

class AdminServer {
 public:
  /// Listens and serves until destroyed. `readiness` is called on the server's thread and must not
  /// block. Logs the address it really listens on. Errors: kConfiguration (address in use or not ours).
  static Result<std::unique_ptr<AdminServer>> Start(const Address& address, std::shared_ptr<Metrics> metrics,
                                                    std::function<Readiness()> readiness);
  ~AdminServer();

  const Address& address() const;  ///< With the real port.

 private:
  class Impl;
  explicit AdminServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// The JSON body of /healthz and /readyz: {"status":"ready"} or {"status":"not ready","reason":…}.
std::string ReadinessJson(const Readiness& readiness);

}  // namespace warren::program
