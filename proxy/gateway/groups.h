// Groups: who of a gateway's consumers consumes which shards. Consumers of one stream whose clients are connected to
// one node are a group, which is one consumer to coordinators. What is assigned to a group is shared out among its
// members (sharing.h). A group that nothing is assigned to covers its node, and those shards without a consumer that no
// other group here is closer to.
//
//   streams, nodes, assignments, checks, members  -->  Groups  -->  Update: what each member is to consume now
//
// A shard is named to a member once it was seen to be there from the member's node (Presence); it stays named, whatever
// becomes of the connection that it was seen over, until the member is to have it no more or has lost it, or its node
// may be gone (Doubt).
//
// Pure: time comes in as an argument. One thread at a time.
#pragma once

#include <chrono>
#include <compare>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "proxy/gateway/member.h"
#include "proxy/gateway/sharing.h"
#include "proxy/gateway/stream_map.h"

namespace warren::gateway {

struct GroupKey {
  std::size_t upstream = 0;
  std::string vhost, exchange;

  auto operator<=>(const GroupKey&) const = default;
};

/// What is known of a queue from asking for it at a node.
enum class Presence { kUnknown, kThere, kMissing };

class Groups {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Ask = std::function<Presence(const GroupKey&, const std::string& queue)>;
  /// A member is told something after this long, be it that it has nothing yet.
  static constexpr std::chrono::milliseconds kFirstAnswer{2'000};
  /// An exclusive one is to have all shards at once.
  static constexpr std::chrono::milliseconds kExclusiveAnswer{10'000};

  /// What a member is to consume from now on.
  struct Answer {
    MemberId member = 0;
    std::vector<std::string> queues;
    bool known = false;  ///< The stream is there.
  };

  explicit Groups(ConsumeMode mode) : mode_(mode) {}

  /// True: it is the first member of its group.
  bool Join(MemberId id, Member member, Time now);
  /// The group, when its last member has left.
  std::optional<GroupKey> Leave(MemberId id);
  /// Its consumer on `queue` ended. The group; nothing for a member that there is not.
  std::optional<GroupKey> Lost(MemberId id, const std::string& queue);
  /// A queue was deleted: it is named to nobody until it is seen to be there again. The groups of its stream.
  std::vector<GroupKey> Gone(const std::string& vhost, const std::string& exchange, const std::string& queue);

  /// Shards of this node (empty: of any) may be down. Groups at upstreams for which `asks` is true have to ask for
  /// theirs anew; they name them to nobody until then (`gone`), or until the answer is no. Exclusive members keep them:
  /// nothing that is named to those is opened again by itself.
  void Doubt(const std::string& node, bool gone, const std::function<bool(std::size_t upstream)>& asks);

  /// A look. Counts of consumers are compared with those of the look before.
  void SetStreams(std::shared_ptr<const StreamMap> streams);
  void SetNode(std::size_t upstream, const std::string& node);
  /// A coordinator's word; `local` are those on the group's node.
  void Assign(const GroupKey& key, const std::vector<std::string>& queues, const std::vector<std::string>& local);
  /// No coordinator assigns anything (any more).
  void FallSilent(const GroupKey& key);
  /// What Ask says of a queue of this group's stream may have changed.
  void Touch(const GroupKey& key);

  /// Whose shards have changed since they were last told.
  std::vector<Answer> Update(Time now, const Ask& ask);
  /// When Update has something to do although nothing came in.
  std::optional<Time> next() const;

  /// How many groups were assigned what they consume, and how many others there are.
  std::pair<std::size_t, std::size_t> CountSources() const;
  /// What was named to its members.
  std::vector<std::string> Holds(const GroupKey& key) const;
  std::vector<GroupKey> keys() const;

 private:
  using StreamName = std::pair<std::string, std::string>;  // virtual host, exchange
  struct Seat {
    bool exclusive = false;
    Time joined;
    std::vector<std::string> part;  ///< What it is to have.
    std::set<std::string> named;
    bool answered = false, known = false;  ///< What it was told last.
    bool lost = false;                     ///< Something, and was not told what is left.
  };
  struct Group {
    std::map<MemberId, Seat> seats;
    std::map<std::string, bool> assigned;  ///< Queue -> local.
    enum class Source { kAsking, kCoordinator, kOwn } source = Source::kAsking;
    std::set<std::string> borrowed;  ///< Of other nodes, taken without being told.
    std::set<std::string> doubted;   ///< Named, and to be asked for again.
  };
  struct Stream {
    std::map<std::size_t, Group> groups;  ///< By upstream.
  };

  Group* FindGroup(const GroupKey& key);
  const Group* FindGroup(const GroupKey& key) const;
  void MarkDirty(const GroupKey& key) { dirty_.insert({key.vhost, key.exchange}); }
  bool IsHere(std::size_t upstream, const std::string& node) const;
  bool IsCovered(const Stream& stream, const SeenShard& shard) const;
  void Borrow(Stream& stream, const SeenStream& seen) const;
  bool HasNoConsumer(const SeenStream& seen, const SeenShard& shard) const;
  std::vector<DueShard> DueOf(std::size_t upstream, const Group& group, const SeenStream& seen) const;
  void SetParts(std::size_t upstream, Group& group, const SeenStream& seen) const;
  void UpdateSeat(const GroupKey& key, const Group& group, MemberId id, Seat& seat, bool known, Time now,
                  const Ask& ask, std::vector<Answer>& answers);

  ConsumeMode mode_;
  std::shared_ptr<const StreamMap> streams_, before_;
  std::map<std::size_t, std::string> nodes_;
  std::map<StreamName, Stream> members_;
  std::map<MemberId, GroupKey> where_;
  std::set<StreamName> dirty_;
  std::map<MemberId, Time> waiting_;  ///< Members without a first answer, until when at most.
};

}  // namespace warren::gateway
