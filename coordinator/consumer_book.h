// ConsumerBook: the coordinator's account of the consumers of all streams: what each said of itself, where its inbox
// is, what it was told to consume. Bounded, whatever strangers say. Values; nothing is sent or asked here.
//
// A consumer is known by its instance: one that says hello from another inbox has connected anew, and takes the place
// of what it was. Times are Unix milliseconds. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/given_shards.h"
#include "shardmgr/model/assignment.h"
#include "shardmgr/plan/plan.h"

namespace warren::coordinator {

/// A queue that a consumer named as its inbox. One consumer of several streams may have one inbox for all.
struct InboxName {
  std::string vhost;
  std::string queue;
  auto operator<=>(const InboxName&) const = default;
};

struct BookedConsumer {
  std::string kind;
  std::string inbox;
  std::string node;  ///< Of its inbox; empty: not found yet, and it does not count so far.
  std::vector<std::string> holds;
  std::int64_t since_ms = 0;  ///< When it joined.
  std::int64_t last_seen_ms = 0;
  std::int64_t silent_since_ms = 0;               ///< As above, but for the time when nobody could be heard.
  std::shared_ptr<const GivenShards> assignment;  ///< Null: none yet.
  std::int64_t told_ms = 0;                       ///< When it was last sent.
  bool waits = false;                             ///< For the answer to a hello.

  /// What it is to be told; null: nothing, since it was found nowhere yet, or elsewhere than it is now.
  const GivenShards* told() const {
    return assignment && !node.empty() && assignment->node == node ? assignment.get() : nullptr;
  }
};

class ConsumerBook {
 public:
  using Group = std::map<std::string, BookedConsumer>;  ///< By instance.
  using Streams = std::map<StreamName, std::size_t>;    ///< With the number of consumers that it concerns.

  /// One vhost cannot take it all: each may have kEachVhost's share, whatever the others have.
  struct Size {
    std::size_t consumers = 0;
    std::size_t held = 0;  ///< Queues that they are noted to hold.
  };
  static constexpr Size kMost{20'000, 400'000}, kMostOfVhost{10'000, 200'000}, kEachVhost{100, 10'000};
  static constexpr std::int64_t kSilenceMs = 25'000;
  /// Whoever is refused says hello again in less.
  static constexpr std::int64_t kRefusedMs = 15'000;
  static constexpr std::int64_t kAskAgainMs = 1'000, kLongestAskAgainMs = 5'000;

  enum class Heard {
    kRefused,  ///< There are too many, in all and in the vhost.
    kSame,     ///< Nothing new but that it lives.
    kNew,      ///< A consumer, its inbox, or what it holds.
  };
  Heard Hear(const std::string& vhost, const std::string& inbox, Hello hello, std::int64_t now_ms);
  /// The vhosts in which somebody is refused, until for kRefusedMs nobody was.
  std::vector<std::string> Crowded(std::int64_t now_ms);
  /// From `inbox`: one of an inbox of before means nothing. Whether somebody left.
  bool Bye(const std::string& vhost, const std::string& inbox, const Hello& bye);

  // What goes or changes; the streams that it concerns.
  Streams Remove(const InboxName& inbox);
  /// Those that were silent for too long where `hears(vhost)`.
  Streams Expire(std::int64_t now_ms, const std::function<bool(const std::string&)>& hears);
  Streams RemoveVhost(const std::string& vhost);
  Streams Locate(const InboxName& inbox, const std::string& node);

  /// When the consumer was last heard; 0: it is not known.
  std::int64_t LastSeenMs(const StreamName& stream, const std::string& instance) const;
  /// Nobody of the vhost could be heard until now: silence counts from here.
  void Forgive(const std::string& vhost, std::int64_t now_ms);

  /// An inbox whose node has to be found, once each; Locate or Remove or Postpone ends that.
  std::optional<InboxName> NextUnknown(std::int64_t now_ms);
  /// Could not be found now; a while later again.
  void Postpone(const InboxName& inbox, std::int64_t now_ms);

  std::map<StreamName, Group>& groups() { return groups_; }
  const std::map<StreamName, Group>& groups() const { return groups_; }
  std::size_t size() const { return size_.consumers; }

 private:
  using Place = std::pair<StreamName, std::string>;     ///< Stream and instance.
  using Turn = std::pair<std::int64_t, std::uint64_t>;  ///< When to be asked for, and after which others.
  struct Inbox {
    std::string node;
    std::set<Place> consumers;
    std::optional<Turn> turn;
    std::int64_t pause_ms = kAskAgainMs;
  };

  bool HasRoom(const std::string& vhost, Size more) const;
  void Queue(const InboxName& name, Inbox& inbox, std::int64_t at_ms);
  void Erase(const Place& place);
  void LeaveInbox(const Place& place, const InboxName& inbox);

  std::map<StreamName, Group> groups_;
  std::map<InboxName, Inbox> inboxes_;
  std::map<Turn, InboxName> unknown_;  ///< Of `inboxes_`, each once.
  std::uint64_t turns_ = 0;
  Size size_;
  std::map<std::string, Size> size_of_;          ///< Of each vhost.
  std::map<std::string, std::int64_t> refused_;  ///< Vhost -> when somebody was last.
};

}  // namespace warren::coordinator
