// StreamMap: which names are those of streams, and which shards these have: what the gateway goes by when a client
// names a queue. Made of one look at the cluster, then never changed; all sessions share it.
//
// A stream answers to two names in its virtual host: its exchange's ("shard.logs") and that without its first dotted
// part ("logs"). Neither counts while an ordinary queue has that name; the short one only where a single stream has it,
// and no stream's exchange is called so.
//
// Pure; reading is safe from any thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shardmgr/model/topology.h"

namespace warren::gateway {

/// A shard queue as it was last seen.
struct SeenShard {
  std::string queue;
  std::string node;                        ///< Where it lives.
  bool up = true;                          ///< Its node is: it can be declared passively, consumed and purged.
  bool in_service = true;                  ///< Messages are routed to it; false: being drained, or retained.
  std::optional<std::uint64_t> messages;   ///< Ready and unacknowledged; up to ten seconds old.
  std::optional<std::uint64_t> consumers;  ///< Up to ten seconds old.
};

struct SeenStream {
  std::string vhost;
  std::string exchange;
  std::vector<SeenShard> shards;  ///< By name; at least one.

  const SeenShard* Find(std::string_view queue) const;  ///< Null: it has no such shard.
};

class StreamMap {
 public:
  StreamMap() = default;
  /// From queues and bindings of `seen`; the rest of it is not looked at.
  explicit StreamMap(const Topology& seen);

  /// The stream that clients of `vhost` mean by this queue's name; null: an ordinary name.
  const SeenStream* Find(std::string_view vhost, std::string_view name) const;
  /// By its exchange alone; null: there is none (any more).
  const SeenStream* OfExchange(std::string_view vhost, std::string_view exchange) const;

  /// A shard of any stream; null: none is called so.
  const SeenShard* FindShard(std::string_view vhost, std::string_view queue) const;
  /// Where it lives; empty: that is not known.
  std::string NodeOf(std::string_view vhost, std::string_view queue) const;

  /// Whether the map may be another once a queue of this name has come, gone or been bound: that of a shard, or one
  /// that has a stream's name.
  bool Concerns(std::string_view vhost, std::string_view queue) const;

  const std::vector<SeenStream>& streams() const { return streams_; }

 private:
  using Key = std::pair<std::string, std::string>;  // virtual host, name
  struct Less {
    using is_transparent = void;
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
      return std::pair<std::string_view, std::string_view>(a.first, a.second) <
             std::pair<std::string_view, std::string_view>(b.first, b.second);
    }
  };
  void NameStreams(const std::set<Key, Less>& taken);

  std::vector<SeenStream> streams_;
  std::map<Key, std::size_t, Less> by_exchange_, by_name_;  // to streams_
  std::set<Key, Less> names_;                               // all that are or would be a stream's
};

}  // namespace warren::gateway
