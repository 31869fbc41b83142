// History: what a single observation does not show, gathered over many: since when a queue is unbound, and
// since when it is empty; whether its drain gets on; whether a bound shard gets its messages.
//
// Fed by whoever observes, in the order of the observations; read by the planner. Kept in memory alone:
// after a restart it is gathered again, which only makes decisions later. Holds queues that are named as
// shards, nothing else. Pure; one thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "shardmgr/model/topology.h"

namespace warren {

/// An exchange that something is bound to: a queue, or the exchange of the same name (stable placement).
struct BindingSource {
  std::string exchange;
  bool to_queue = true;
  auto operator<=>(const BindingSource&) const = default;
};

/// Times are those of observations (Topology::observed_at_ms); 0: it is not so.
struct QueueHistory {
  std::int64_t bound_since_ms = 0;    ///< First of the observations without a break that show a binding to an exchange.
  std::int64_t unbound_since_ms = 0;  ///< As above, no binding but those that do not feed it.
  /// First of the observations, later than the first unbound one and without a break, that show no message ready, none
  /// unacknowledged and no consumer.
  std::int64_t empty_since_ms = 0;
  std::int64_t progress_at_ms = 0;                  ///< When its messages last became fewer, or it became unbound.
  bool has_risen = false;                           ///< Messages were published to it since it is bound.
  std::uint64_t backlog = 0;                        ///< Messages ready and unacknowledged, as last reported.
  std::optional<std::uint64_t> published_at_epoch;  ///< Counter of messages published, when the epoch began.
  /// Exchange of which a second binding to the queue was removed: on a consistent-hash exchange that empties the
  /// queue's place in the ring. Empty: none.
  BindingSource place_lost_on;
  std::int64_t rebound_at_ms = 0;  ///< When the coordinator last unbound and bound it again.
  std::string node;                ///< Where it is.
  std::string was_on;              ///< Where a queue of the same name was that is gone; empty: none is remembered.
  std::int64_t gone_since_ms = 0;  ///< It is not there any more; kept for ten minutes.
  std::map<BindingSource, std::set<std::string>> keys;  ///< Routing keys of its bindings.
  std::string make;                                     ///< Type, durability and arguments.
  std::set<std::string> served;                         ///< Exchanges it was seen bound to since it is of this make.
};

class History {
 public:
  /// Takes note of an observation.
  void Observe(const Topology& observed);

  /// The binding of `queue`, or of the exchange of that name, to `source` with that key was deleted (event
  /// binding.deleted), whoever did it. One that no observation showed was a second one.
  void NoteUnbound(std::string_view vhost, const BindingSource& source, std::string_view queue,
                   const std::string& routing_key);
  /// Whoever applies plans has unbound and bound `queue` in one.
  void NoteRebound(std::string_view vhost, std::string_view queue, std::int64_t at_ms);

  /// Null for a queue that the last observation did not show.
  const QueueHistory* Find(std::string_view vhost, std::string_view queue) const;
  /// Since when published counters are compared; 0: no observation yet.
  std::int64_t epoch_ms() const { return epoch_ms_; }

 private:
  using Key = std::pair<std::string, std::string>;  ///< vhost, queue

  QueueHistory Recall(const Key& key) const;
  void KeepGone(std::map<Key, QueueHistory>& next, std::int64_t now_ms);

  std::map<Key, QueueHistory> queues_;
  std::int64_t epoch_ms_ = 0;
};

}  // namespace warren
