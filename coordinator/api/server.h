// ApiServer: the REST API on an HTTP port: a thread that serves connections (session.h), a clerk for what blocks, and
// the rule where it may listen. docs/adr/0011-rest-listener.md says what it is built on.
#pragma once

#include <functional>
#include <memory>

#include "coordinator/api/routes.h"
#include "policies/error.h"
#include "shardmgr/program/units.h"

namespace warren::coordinator {

class ApiServer {
 public:
  /// Listens until destroyed. `context` is asked for each request, on the server's thread; its `access` is set here.
  /// Logs the address it really listens on. kConfiguration: a token that is none, an address that is not loopback
  /// without a token, or one that is in use.
  static Result<std::unique_ptr<ApiServer>> Start(const program::Address& address, Access access,
                                                  std::function<ApiContext()> context);
  ~ApiServer();

 private:
  class Impl;
  explicit ApiServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace warren::coordinator
