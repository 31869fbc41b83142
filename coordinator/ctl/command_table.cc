// The table of all commands: the order here is that of the help text.
#include "coordinator/ctl/command.h"
#include "coordinator/ctl/help_texts.h"

namespace warren::ctl {
namespace {

/// What users ask for, and moving it between clusters.
std::vector<Command> SettingCommands() {
  return {
      {"set_parameter",
       "COMPONENT NAME VALUE",
       "Sets a stream definition or a default.",
       kSetParameterHelp,
       3,
       3,
       SetParameter,
       {},
       false,
       {"stream-definition", "stream"}},
      {"clear_parameter",
       "COMPONENT NAME",
       "Removes a stream definition or a default.",
       "",
       2,
       2,
       ClearParameter,
       {},
       false,
       {"stream-definition", "stream"}},
      {"list_parameters", "", "Lists stream definitions and defaults.", "", 0, 0, ListParameters},
      {"set_policy",
       "[--priority N] [--apply-to exchanges] NAME PATTERN DEFINITION",
       "Says which exchanges are streams.",
       kSetPolicyHelp,
       3,
       3,
       SetPolicy,
       {"priority", "apply-to"}},
      {"clear_policy", "NAME", "Removes a policy of the virtual host.", kClearPolicyHelp, 1, 1, ClearPolicy},
      {"list_policies", "", "Lists policies.", "", 0, 0, ListPolicies},
      {"export",
       "[--as warren|definitions]",
       "Writes definitions, policies and defaults as JSON.",
       kExportHelp,
       0,
       0,
       ExportSettings,
       {"as"}},
      {"import",
       "[--dry-run] FILE",
       "Sets definitions, policies and defaults from a file; - is standard input.",
       kImportHelp,
       1,
       1,
       ImportSettings,
       {"dry-run"},
       false,
       {"FILE"}},
  };
}

/// What there is.
std::vector<Command> ViewCommands() {
  return {
      {"list_streams", "", "Lists the exchanges that policies match, and whether they are ready.", "", 0, 0,
       ListStreams},
      {"list_shards", "[EXCHANGE]", "Lists shards: where they are, how they are bound, what is in them.",
       kListShardsHelp, 0, 1, ListShards},
      {"list_nodes", "", "Lists the nodes of the cluster.", "", 0, 0, ListNodes},
      {"list_assignments",
       "[--coordinator URL] [EXCHANGE]",
       "Lists the consumers and what each is to consume, from the coordinator.",
       kListAssignmentsHelp,
       0,
       1,
       ListAssignments,
       {"coordinator", "token-file"}},
      {"status",
       "[--watch] [--interval DURATION] [--coordinator URL] [EXCHANGE]",
       "Shows what is to be said of each stream, and the drains.",
       kStatusHelp,
       0,
       1,
       ShowStatus,
       {"watch", "interval", "coordinator", "token-file"}},
      {"events",
       "[--coordinator URL]",
       "Lists recent events, from the coordinator.",
       kEventsHelp,
       0,
       0,
       ListEvents,
       {"coordinator", "token-file"}},
      {"plan",
       "[--never-delete]",
       "Prints what apply would do and how many keys move; changes nothing.",
       kPlanHelp,
       0,
       0,
       ShowPlan,
       {"never-delete", "statistics-interval"}},
  };
}

/// What changes queues and bindings.
std::vector<Command> ChangeCommands() {
  return {
      {"apply",
       "[--never-delete]",
       "Puts every stream right, once, without a coordinator.",
       kApplyHelp,
       0,
       0,
       ApplyPlan,
       {"never-delete", "statistics-interval"},
       true},
      {"drain_node", "[--wait] NODE", "Takes all shards off a node.", kDrainNodeHelp, 1, 1, DrainNode, {"wait"}, true},
      {"undrain_node", "NODE", "Lets a node have shards again.", "The coordinator puts them there.\n", 1, 1,
       UndrainNode},
      {"purge_stream", "EXCHANGE", "Drops the messages of all shards of a stream.", kPurgeStreamHelp, 1, 1,
       PurgeStream},
      {"delete_stream",
       "[--purge] EXCHANGE",
       "Removes the shards of an exchange that no policy matches.",
       kDeleteStreamHelp,
       1,
       1,
       DeleteStream,
       {"purge", "statistics-interval"},
       true},
      {"completion",
       "bash|zsh|fish",
       "Prints the completion script of a shell.",
       kCompletionHelp,
       1,
       1,
       PrintCompletion,
       {},
       false,
       {"bash", "zsh", "fish"}},
  };
}

}  // namespace

const std::vector<Command>& Commands() {
  static const std::vector<Command> kCommands = [] {
    std::vector<Command> all = SettingCommands();
    for (const auto& group : {ViewCommands(), ChangeCommands()}) all.insert(all.end(), group.begin(), group.end());
    return all;
  }();
  return kCommands;
}

}  // namespace warren::ctl
