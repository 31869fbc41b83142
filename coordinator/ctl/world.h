// The cluster as it is and the plan for it: what lists, status, plan, apply and all that wait start from.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "coordinator/ctl/command.h"
#include "policies/catalog.h"
#include "shardmgr/model/topology.h"
#include "shardmgr/plan/plan.h"

namespace warren::ctl {

struct World {
  Topology topology;
  policies::Catalog catalog;
  Plan plan;  ///< Of the virtual host that was named only, where one was.

  /// Null when there is no such stream.
  const StreamPlan* Find(std::string_view vhost, std::string_view exchange) const;
};

/// Whom warrenctl takes for able to declare shards of streams with a local-username.
enum class LocalUsers {
  kOwnOnly,    ///< Itself alone, since it has nobody else's password: for what it is about to do.
  kAllOfThem,  ///< Everybody: for what a coordinator, which has passwords, makes of the cluster.
};

/// Looks at the cluster, and remembers what it saw. One thread; blocks.
class Observer {
 public:
  /// `context` must outlive it.
  Observer(const Context& context, LocalUsers users) : context_(context), users_(users) {}

  /// Observes through the management API and plans. `remove`: streams whose shards are to go. kNotFound: --vhost names
  /// a virtual host that is not there.
  Result<World> Look(const std::vector<StreamName>& remove = {});

 private:
  const Context& context_;
  LocalUsers users_;
  History history_;
};

/// One look.
Result<World> Look(const Context& context, LocalUsers users);

/// kNotFound, with those that there are, unless the virtual host of --vhost (or its default) is one of `vhosts`.
Result<void> CheckVhost(const Context& context, const std::vector<std::string>& vhosts);
/// The same; asks the broker.
Result<void> CheckVhost(const Context& context);
/// The same, where --vhost was given; asks the broker only then.
Result<void> CheckGivenVhost(const Context& context);

/// Warns of each parameter that is not valid and of what each stream has to say against itself.
void WarnOfConditions(const Context& context, const Plan& plan);

/// "exchange 'x' of virtual host '/'"
std::string Describe(const StreamPlan& stream);

/// What is in the shards that drain, of one stream or of several.
struct DrainCount {
  std::size_t shards = 0;
  std::size_t uncounted = 0;                            ///< Of them, those that the broker has not reported yet.
  std::uint64_t ready = 0, unacked = 0, consumers = 0;  ///< As far as the broker has reported them.

  void Add(const Shard& shard);
  /// "2 shards drain: 5 messages ready, 0 unacknowledged, 1 consumer"
  std::string ToString() const;
};

/// Shards that are to go and are not gone; those that are retained do not count.
DrainCount CountDrains(const StreamPlan& stream);

}  // namespace warren::ctl
