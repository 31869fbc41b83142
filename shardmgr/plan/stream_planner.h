// The steps that make one StreamPlan, in the order MakePlan takes them. Internal to plan/.
//
//   checks.cc      may this exchange be sharded so at all?          -> blocking conditions
//   bindings.cc    with which key is a shard bound?                 -> BindingChoice
//   places.cc, chains.cc     which places has a stable stream, what is there?     -> places
//   shards.cc      which shards are wanted, what is there?          -> candidates and their states
//   repairs.cc     what is wrong with a shard that is bound?        -> Candidate::repair
//   place_actions.cc, actions.cc     what has to be done?                             -> actions
//   forecast.cc    which share of the keys will that move?          -> moved_keys
//   conditions.cc  what do people have to know?                     -> conditions
#pragma once

#include <string>
#include <vector>

#include "shardmgr/plan/cluster_index.h"
#include "shardmgr/plan/plan.h"
#include "shardmgr/plan/substitutes.h"

namespace warren {

/// Why a bound shard has to leave the exchange for a while; the most urgent first.
enum class Repair {
  kNone,
  kEmptyPlace,  ///< Bound, and nothing is routed to it.
  kDoubled,     ///< Bound more than once.
  kKey,         ///< Bound with another key than the definition's.
  kTemplate,    ///< Declared by another template.
  kPlacement,   ///< On another node than its name says.
};

/// The exchanges of one shard, with stable placement: X -> its exchange -> its queue, and otherwise its alternate
/// exchange -> the substitute's exchange. It outlives the shard's queue.
struct Place {
  PlaceName name;
  const Exchange* exchange = nullptr;   ///< Null: not there, or not Warren's.
  const Exchange* alternate = nullptr;  ///< As above.
  std::vector<const Binding*> ring;     ///< From the stream's exchange.
  std::vector<const Binding*> feeds;    ///< To the shard's queue.
  std::vector<const Binding*> onward;   ///< From the alternate exchange to places of the stream.
  bool used_by_others = false;          ///< Its exchanges have other bindings, or are alternate for others.
  bool wanted = false;                  ///< The stream is stable, and this node has such a shard, drained or not.
  bool takes = false;                   ///< Its queue is fed and there, for sure where any is.
  std::string substitute;               ///< Of those that are wanted; empty: there is no other.
  bool detour = false;                  ///< That is not the one chosen: with it messages would end nowhere.
  std::string return_to;                ///< A detour that is needed no longer: the one chosen.
  std::size_t hops = 0;                 ///< Along the substitutes to one that takes messages; places.size(): none does.
};

/// A shard that is wanted or there, with what was observed of it.
struct Candidate {
  Shard shard;
  const Queue* queue = nullptr;  ///< Null: not there.
  const QueueHistory* history = nullptr;
  /// From the stream's exchange, as its placement says: to the queue (ring), or to the shard's exchange (stable).
  std::vector<const Binding*> bindings;
  std::vector<const Binding*> strays;   ///< The other way; there while the placement changes.
  std::vector<const Binding*> feeds;    ///< From the shard's exchange.
  std::vector<const Binding*> others;   ///< From other exchanges: they feed it too.
  std::vector<const Binding*> markers;  ///< From kDrainExchange.
  std::string differences;              ///< From the definition's template; empty: none.
  bool wanted = false;
  bool down = false;     ///< The queue is there and cannot be reached.
  bool answers = false;  ///< Its home node does.
  bool hollow = false;   ///< Bound, and nothing is routed to it.
  Repair repair = Repair::kNone;

  /// The stream's exchange is bound to the queue.
  bool direct = false;
  /// … to the shard's exchange.
  bool has_place = false;

  /// It gets messages, or would if its exchange did.
  bool bound() const { return direct || !feeds.empty(); }
  bool in_service() const { return direct || (has_place && !feeds.empty()); }
  /// Gets messages and takes them, as far as the cluster knows.
  bool Serves() const { return queue != nullptr && in_service() && !down && !hollow; }
  /// And its node can be reached from here: a node that others cannot reach either is shown as running for a minute.
  bool ServesForSure() const { return Serves() && answers; }
};

/// What all steps read: the cluster, and the exchange in it that a policy matched. `plan` and `candidates` grow.
struct StreamContext {
  const ClusterIndex& cluster;
  const VhostIndex& vhost;
  const Exchange& exchange;  ///< As observed; where it is gone, its name alone.
  const PlanLimits& limits;
  const History& history;
  StreamPlan& plan;
  bool exchange_gone = false;
  bool removing = false;                       ///< All shards are to go: PlanLimits::remove.
  NameStyle left_behind = NameStyle::kStream;  ///< Of the shards of a stream without a spec.
  std::vector<Candidate> candidates;           ///< Index-major, then by node.
  std::vector<Place> places;                   ///< As above.

  const StreamSpec& spec() const { return *plan.spec; }
  bool stable() const { return plan.spec && !exchange_gone && spec().placement == Placement::kStable; }
  NameStyle style() const { return plan.spec ? plan.spec->names : left_behind; }
};

/// The key for shards of one stream.
struct BindingChoice {
  std::string key;             ///< What the definition comes to, reduced.
  bool key_is_weight = false;  ///< Consistent hash: a binding is changed by unbinding first.
  bool key_is_read = false;    ///< False: any key will do (x-random).
};

/// Of the binding of an alternate exchange that leads elsewhere for a while. Another weight than that of the others, so
/// that it is known again; it is the only one, so the weight does not matter.
inline constexpr std::string_view kDetourKey = "2";

inline constexpr std::string_view kConsistentHash = "x-consistent-hash";
inline constexpr std::string_view kRandom = "x-random";
inline constexpr std::string_view kModulusHash = "x-modulus-hash";

/// The template with what `http` adds: how a shard of this spec is declared.
QueueTemplate CompleteTemplate(const StreamSpec& spec);
/// Where the queue is not what the template says; empty when it is. Arguments beyond the template's count, too:
/// a declare with the template's alone would be refused (AMQP 406).
std::string Differences(const Queue& queue, const QueueTemplate& wanted);

/// The broker's policy by which the rabbitmq_sharding plugin looks after the exchange; null: none.
const BrokerPolicy* PluginPolicy(const VhostIndex& vhost, const Exchange& exchange);

void Block(StreamPlan& plan, std::string reason, std::string message);
bool Blocked(const StreamPlan& plan);

/// False, with a blocking condition, for exchange types that cannot be sharded.
bool CheckExchangeType(StreamContext& context);
/// Adds blocking conditions for values that this version or this cluster cannot serve.
void CheckSpec(StreamContext& context);
/// Adds blocking conditions for keys that are no weight, or too large a one.
BindingChoice ChooseBinding(StreamContext& context);
/// Whether a queue that is there cannot be reached: it is down, or the node is where it is or else belongs.
bool IsDown(const ClusterIndex& cluster, const Queue& queue, std::string_view node);
/// Fills `places`.
void FindPlaces(StreamContext& context);
/// The place of a shard; null: it has none.
const Place* FindPlace(const StreamContext& context, const Shard& shard);
/// Fills `candidates` for a stream that can be planned, or that no policy matches.
void FindShards(StreamContext& context, const BindingChoice& binding);
/// Fills `candidates` with what is there, for a stream that cannot be planned now: it is shown, and nothing is done.
void ListShards(StreamContext& context);
void FindRepairs(StreamContext& context, const BindingChoice& binding);
/// At most `budget` actions; none when a condition blocks. Returns how many had to be left out.
std::size_t PlanActions(StreamContext& context, const BindingChoice& binding, std::size_t budget);
void ForecastMovedKeys(StreamContext& context);
void Summarise(StreamContext& context, std::size_t left_out);

/// How far two looks at a shard's counts have to be apart so that the second is newer than the first. A quorum queue
/// reports its own every five seconds, whatever the broker's interval is. Milliseconds.
std::int64_t CountsAgeMs(const StreamContext& context, const Candidate& candidate);
/// Whether the last of two looks that find a draining shard empty has been taken: it may be deleted.
bool SeenEmptyTwice(const StreamContext& context, const Candidate& candidate);

}  // namespace warren
