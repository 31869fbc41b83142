// ApiServer: the REST API on an HTTP port. cpprestsdk's listener carries it and stays in server.cc:
// it has no limits of its own on headers or time, which is why it listens on loopback alone.
#pragma once

#include <functional>
#include <memory>

#include "coordinator/api/routes.h"
#include "policies/error.h"
#include "shardmgr/program/units.h"

namespace warren::coordinator {

class ApiServer {
 public:
  /// Listens until destroyed. `context` is asked for each request, on a thread of the listener's.
  /// kConfiguration: the address is not loopback, has port 0, or is in use.
  static Result<std::unique_ptr<ApiServer>> Start(const program::Address& address, std::function<ApiContext()> context);
  ~ApiServer();

 private:
  class Impl;
  explicit ApiServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace warren::coordinator
