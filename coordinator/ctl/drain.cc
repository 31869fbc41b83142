// drain_node, undrain_node: take all shards off a node, and let it have them again.
#include "coordinator/ctl/command.h"
#include "coordinator/ctl/interrupt.h"
#include "coordinator/ctl/round.h"
#include "coordinator/ctl/world.h"
#include "policies/names.h"
#include "policies/nearest.h"

namespace warren::ctl {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

bool IsOneOf(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::vector<std::string> NodeNames(const Topology& topology) {
  std::vector<std::string> names;
  for (const Node& node : topology.nodes) names.push_back(node.name);
  return names;
}

tl::unexpected<Error> UnknownNode(const std::string& name, const std::vector<std::string>& known) {
  const auto nearest = NearestName(name, known);
  std::string list;
  for (const std::string& node : known) list += (list.empty() ? "'" : ", '") + node + "'";
  return Fail(ErrorCode::kNotFound,
              nearest ? "there is no such node in the cluster; is '" + *nearest + "' meant?"
                      : "there is no such node in the cluster; there are " + list,
              "node '" + name + "'");
}

/// What --wait waits for: the queues of shards that are on the node and are to go.
struct OnNode {
  DrainCount all;
  std::size_t lone = 0;  ///< Of them, those that stay since they are the last one bound of their exchange.

  std::string ToString(const std::string& node) const {
    return std::to_string(all.shards) + (all.shards == 1 ? " shard is" : " shards are") + " on " + node + ": " +
           std::to_string(all.ready) + " messages ready, " + std::to_string(all.unacked) + " unacknowledged, " +
           std::to_string(all.consumers) + " consumers";
  }
};

/// Nothing is to be done about the stream, and one shard of it is bound: that one stays.
bool KeepsItsLast(const StreamPlan& stream) {
  const auto bound =
      std::count_if(stream.shards.begin(), stream.shards.end(), [](const Shard& shard) { return shard.bound; });
  return bound == 1 && stream.actions.empty();
}

OnNode CountOnNode(const Plan& plan, const std::string& node) {
  OnNode count;
  for (const StreamPlan& stream : plan.streams) {
    if (stream.orphaned()) continue;
    for (const Shard& shard : stream.shards) {
      if (shard.observed_node != node) continue;
      if (shard.state == ShardState::kRetained || shard.state == ShardState::kConflict) continue;
      count.all.Add(shard);
      if (shard.bound && KeepsItsLast(stream)) ++count.lone;
    }
  }
  return count;
}

Result<int> WaitUntilEmpty(const Context& context, const std::string& node) {
  const auto end = Clock::now() + context.time_limit;
  Observer observer(context, LocalUsers::kAllOfThem);
  Progress progress(context);
  while (true) {
    auto world = observer.Look();
    if (!world) return tl::unexpected(world.error());
    const OnNode left = CountOnNode(world->plan, node);
    if (left.all.shards == 0) {
      progress.Finish();
      context.Say("Node '" + node + "' has no shards any more.");
      return 0;
    }
    progress.Show(left.ToString(node));
    if (left.lone == left.all.shards) {
      progress.Finish();
      context.Warn(left.ToString(node) +
                   "; each is the only one bound to its exchange, and stays until another node "
                   "can have one");
      return kPartlyDone;
    }
    const auto rest = std::chrono::duration_cast<milliseconds>(end - Clock::now());
    if (rest <= milliseconds::zero()) {
      return Fail(ErrorCode::kTimeout,
                  left.ToString(node) +
                      "; 'warrenctl status' says what they wait for. A coordinator has to run, or "
                      "'warrenctl apply' to be done",
                  "draining node '" + node + "'");
    }
    WaitOrInterrupted(UntilNextLook(world->plan, rest));
  }
}

}  // namespace

Result<int> DrainNode(const Context& context) {
  const std::string& node = context.arguments[0];
  auto world = Look(context, LocalUsers::kAllOfThem);
  if (!world) return tl::unexpected(world.error());
  const auto nodes = NodeNames(world->topology);
  if (!IsOneOf(nodes, node)) return UnknownNode(node, nodes);
  auto written = context.client->PutGlobalParameter(policies::NodeParameterName(node), {{"drain", true}});
  if (!written) return tl::unexpected(written.error());
  context.Say(*written == management::WriteOutcome::kChanged
                  ? "Node '" + node + "' is being drained; 'warrenctl undrain_node " + node + "' ends that."
                  : "Node '" + node + "' was being drained already.");
  if (context.wait) return WaitUntilEmpty(context, node);
  const OnNode there = CountOnNode(world->plan, node);
  if (there.all.shards > 0) context.Say(there.ToString(node) + "; 'warrenctl status' shows how far it is.");
  return 0;
}

Result<int> UndrainNode(const Context& context) {
  const std::string& node = context.arguments[0];
  auto world = Look(context, LocalUsers::kAllOfThem);
  if (!world) return tl::unexpected(world.error());
  auto cleared = context.client->DeleteGlobalParameter(policies::NodeParameterName(node));
  if (!cleared) return tl::unexpected(cleared.error());
  if (*cleared == management::WriteOutcome::kChanged) {
    context.Say("Node '" + node + "' may have shards again.");
    return 0;
  }
  auto known = NodeNames(world->topology);
  if (!IsOneOf(known, node)) {
    for (const std::string& drained : world->catalog.drained_nodes()) {
      if (!IsOneOf(known, drained)) known.push_back(drained);
    }
    return UnknownNode(node, known);
  }
  if (IsOneOf(world->catalog.drained_nodes(), node)) {
    return Fail(ErrorCode::kConflict, "a file of --policies-dir drains it; change that file", "node '" + node + "'");
  }
  context.Say("Node '" + node + "' was not being drained.");
  return 0;
}

}  // namespace warren::ctl
