// Whether a shard marks what it delivers again (`redelivered`): brokers may forget to (docs/adr/0009-claims.md), and
// then nothing but the proxy knows whether a request was run before. It is found out by giving a request back that may
// be run twice: it comes back marked, or it does not.
//
// Where a shard has several consumers, what one gives back goes to another one in most cases. So a mark that is seen is
// as good as one that was asked for, and who sees one gives one request back as well, for the others to see.
//
// Pure; of one consumer, for as long as that consumes.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace warren::worker {

class RedeliveryFlag {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  /// What matters of a delivery.
  struct Seen {
    std::string_view token;  ///< The correlation id; empty: none.
    bool redelivered = false;
    bool transient = false;  ///< A mark on a persistent one may be older than the broker's forgetting.
    bool retry_safe = false;
  };

  /// Something depends on it from now on.
  void Need() { needed_ = true; }
  /// To be called for each delivery. True: it is to be given back, to be delivered again.
  bool OnDelivery(TimePoint now, const Seen& seen);

  bool works() const { return works_; }
  bool lost() const { return lost_; }  ///< It was seen that nothing is marked.

 private:
  static constexpr int kMostTries = 8;  ///< The last about two minutes after the first; then it is left unknown.

  bool needed_ = false, works_ = false, lost_ = false;
  std::string given_back_;
  int tries_ = 0;
  std::chrono::seconds pause_{1};
  TimePoint next_ = TimePoint::min();
};

}  // namespace warren::worker
