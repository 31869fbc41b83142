// The steps that make one StreamPlan, in the order MakePlan takes them. Internal to plan/.
//
//   checks.cc      may this exchange be sharded so at all?        -> blocking conditions
//   bindings.cc    with which key is a shard bound?               -> BindingChoice
//   shards.cc      which shards are wanted, what is there?        -> shards
//   actions.cc     what has to be done?                           -> actions
//   conditions.cc  what do people have to know?                   -> conditions
#pragma once

#include <string>
#include <vector>

#include "shardmgr/plan/cluster_index.h"
#include "shardmgr/plan/plan.h"

namespace warren {

/// What all steps read: the cluster, and the exchange in it that a policy matched. `plan` grows.
struct StreamContext {
  const ClusterIndex& cluster;
  const VhostIndex& vhost;
  const Exchange& exchange;
  const PlanLimits& limits;
  StreamPlan& plan;  ///< `plan.spec` is set.

  const StreamSpec& spec() const { return *plan.spec; }
};

/// The keys for shards of one stream.
struct BindingChoice {
  std::string target_key;    ///< What the definition comes to, reduced.
  std::string bind_key;      ///< What a shard that is not bound yet gets: as its bound siblings, so shards stay equal.
  bool key_matters = false;  ///< The exchange type reads the key as a weight.
};

inline constexpr std::string_view kConsistentHash = "x-consistent-hash";
inline constexpr std::string_view kRandom = "x-random";
inline constexpr std::string_view kModulusHash = "x-modulus-hash";

/// The template with what `http` adds: how a shard of this spec is declared.
QueueTemplate CompleteTemplate(const StreamSpec& spec);

void Block(StreamPlan& plan, std::string reason, std::string message);

/// False, with a blocking condition, for exchange types that cannot be sharded.
bool CheckExchangeType(StreamContext& context);
/// Adds blocking conditions for values that this version or this cluster cannot serve.
void CheckSpec(StreamContext& context);
/// Adds blocking conditions for keys that are no weight, or too large a one.
BindingChoice ChooseBinding(StreamContext& context);
void FindShards(StreamContext& context, const BindingChoice& binding);
/// At most `budget` actions; none when a condition blocks. Returns how many had to be left out.
std::size_t PlanActions(StreamContext& context, const BindingChoice& binding, std::size_t budget);
void Summarise(StreamContext& context, const BindingChoice& binding, std::size_t left_out);

}  // namespace warren
