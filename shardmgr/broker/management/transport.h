// Transport: carries one HTTP exchange to one management URL. Safe from any thread.
//
// The only place that knows the HTTP library (cpprestsdk), which is behind transport.cc so that it
// can be replaced. Knows nothing of RabbitMQ: statuses are judged in exchange.cc.
#pragma once

#include <memory>
#include <string>

#include "shardmgr/broker/management/client.h"
#include "shardmgr/broker/management/exchange.h"

namespace warren::management {

class Transport {
 public:
  /// Never fails; what is wrong with a URL or the CA file comes from Send.
  explicit Transport(const ClientOptions& options);
  ~Transport();

  std::size_t size() const;                         ///< Number of URLs.
  const std::string& url(std::size_t index) const;  ///< As given, without user name and password.

  /// Blocks for at most the timeout. Errors: kUnavailable, kTimeout, kProtocol (not HTTP, or too
  /// long), kConfiguration; without context.
  Result<Answer> Send(std::size_t index, const Request& request) const;

  /// Ends every Send with kUnavailable, at once, and all that follow.
  void Cancel() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace warren::management
