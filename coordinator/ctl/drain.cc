// drain_node, undrain_node: take all shards off a node, and let it have them again.
#include "coordinator/ctl/command.h"
#include "coordinator/ctl/interrupt.h"
#include "coordinator/ctl/node_shards.h"
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

/// A drain takes in all virtual hosts, whichever --vhost names.
Context WholeCluster(Context context) {
  context.vhost_given = false;
  return context;
}

/// For programs: what is on the node, and how far it is.
void PrintRow(const Context& context, const NodeShards& there, const std::string& node, std::string_view outcome) {
  if (context.format == Format::kTable) return;
  Table table{{"node", "shards", "messages", "outcome"}, {}};
  table.rows.push_back({node, there.leaving.shards + there.orphaned + there.retained,
                        there.leaving.ready + there.leaving.unacked + there.messages_left, outcome});
  context.Print(table);
}

/// Nothing more will leave the node.
int NothingMoreLeaves(const Context& context, const NodeShards& left, const std::string& node) {
  PrintRow(context, left, node, left.empty() ? "drained" : "stays");
  if (left.empty()) {
    context.Say("Node '" + node + "' has no shards any more.");
    return 0;
  }
  if (left.stuck()) context.Warn(left.ToString(node) + "; " + left.WhyStuck());
  if (left.orphaned + left.retained > 0) context.Warn("node '" + node + "': " + left.WhatStays());
  return kPartlyDone;
}

Result<int> WaitUntilEmpty(const Context& context, const std::string& node) {
  const auto end = Clock::now() + context.time_limit;
  Observer observer(context, LocalUsers::kAllOfThem);
  Progress progress(context);
  while (true) {
    auto world = observer.Look();
    if (!world) return tl::unexpected(world.error());
    const NodeShards left = CountOnNode(world->plan, node);
    if (left.done() || left.stuck()) {
      progress.Finish();
      return NothingMoreLeaves(context, left, node);
    }
    progress.Show(left.ToString(node));
    const auto rest = std::chrono::duration_cast<milliseconds>(end - Clock::now());
    if (rest <= milliseconds::zero()) {
      PrintRow(context, left, node, "draining");
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

Result<int> DrainNode(const Context& given) {
  const Context context = WholeCluster(given);
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
  const NodeShards there = CountOnNode(world->plan, node);
  PrintRow(context, there, node, there.empty() ? "drained" : "draining");
  if (there.orphaned + there.retained > 0) context.Warn("node '" + node + "': " + there.WhatStays());
  if (!there.done()) context.Say(there.ToString(node) + "; 'warrenctl status' shows how far it is.");
  return 0;
}

Result<int> UndrainNode(const Context& given) {
  const Context context = WholeCluster(given);
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
