// Caller: sends a request to the management URLs in turn until one of them serves it.
//
// Between the client's operations and the transport: starts with the URL that worked last, goes on
// to the next when a way to the cluster fails, and puts what was done and where into errors. Safe
// from any thread.
#pragma once

#include <atomic>
#include <initializer_list>
#include <string>
#include <string_view>

#include "shardmgr/broker/management/exchange.h"
#include "shardmgr/broker/management/transport.h"

namespace warren::management {

class Caller {
 public:
  explicit Caller(ClientOptions options);

  Result<Reply> Call(const Request& request) const;
  void Cancel() const { transport_.Cancel(); }

  /// GET with a JSON answer. `columns` (may be empty) are the fields wanted of each object.
  Result<nlohmann::json> Get(std::initializer_list<std::string_view> segments, std::string_view columns,
                             std::string what) const;

 private:
  Result<Reply> CallAt(std::size_t index, const Request& request, bool& try_elsewhere) const;

  std::string user_;
  Transport transport_;
  mutable std::atomic<std::size_t> preferred_{0};
};

}  // namespace warren::management
