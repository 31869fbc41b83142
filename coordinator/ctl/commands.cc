// The table of commands, and looking into it.
#include <ostream>

#include "coordinator/ctl/command.h"
#include "coordinator/ctl/help_texts.h"
#include "policies/nearest.h"

namespace warren::ctl {

const std::vector<Command>& Commands() {
  static const std::vector<Command> kCommands = {
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
      {"clear_policy", "NAME", "Removes a policy of the virtual host.",
       "Its exchanges keep their shards, which are not looked after any more; 'warrenctl delete_stream' removes "
       "them.\n",
       1, 1, ClearPolicy},
      {"list_policies", "", "Lists policies.", "", 0, 0, ListPolicies},
      {"list_streams", "", "Lists the exchanges that policies match, and whether they are ready.", "", 0, 0,
       ListStreams},
      {"list_shards", "[EXCHANGE]", "Lists shards: where they are, how they are bound, what is in them.",
       "Counts and rates are up to one statistics interval (5 s) old.\n", 0, 1, ListShards},
      {"list_nodes", "", "Lists the nodes of the cluster.", "", 0, 0, ListNodes},
      {"status",
       "[--watch] [--interval DURATION] [--coordinator URL] [EXCHANGE]",
       "Shows what is to be said of each stream, and the drains.",
       kStatusHelp,
       0,
       1,
       ShowStatus,
       {"watch", "interval", "coordinator"}},
      {"events",
       "[--coordinator URL]",
       "Lists recent events, from the coordinator.",
       kEventsHelp,
       0,
       0,
       ListEvents,
       {"coordinator"}},
      {"plan",
       "[--never-delete]",
       "Prints what apply would do and how many keys move; changes nothing.",
       kPlanHelp,
       0,
       0,
       ShowPlan,
       {"never-delete", "statistics-interval"}},
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
  return kCommands;
}

std::vector<std::string_view> CommandsOf(std::string_view option) {
  std::vector<std::string_view> names;
  for (const Command& command : Commands()) {
    if (std::find(command.options.begin(), command.options.end(), option) != command.options.end()) {
      names.push_back(command.name);
    }
  }
  return names;
}

Result<const Command*> FindCommand(std::string_view name) {
  std::string wanted(name);
  std::replace(wanted.begin(), wanted.end(), '-', '_');
  std::vector<std::string> names;
  for (const Command& command : Commands()) {
    if (command.name == wanted) return &command;
    names.emplace_back(command.name);
  }
  const std::string nearest = NearestName(wanted, names).value_or(std::string());
  return Fail(ErrorCode::kUsage,
              "there is no command '" + std::string(name) + "'" +
                  (nearest.empty() ? "; 'warrenctl --help' lists them" : "; is '" + nearest + "' meant?"));
}

Result<void> CheckArguments(const Command& command, const std::vector<std::string>& arguments) {
  if (arguments.size() >= command.min_arguments && arguments.size() <= command.max_arguments) return {};
  return Fail(ErrorCode::kUsage, std::string(command.name) + " was given " + std::to_string(arguments.size()) +
                                     " arguments; its usage is: warrenctl " + std::string(command.name) +
                                     (command.usage.empty() ? "" : " ") + std::string(command.usage));
}

std::string HelpOf(const Command& command) {
  std::string text = "Usage: warrenctl [OPTIONS] " + std::string(command.name);
  if (!command.usage.empty()) text.append(" ").append(command.usage);
  text.append("\n\n").append(command.summary).append("\n");
  if (!command.help.empty()) text.append("\n").append(command.help);
  return text + "\n'warrenctl --help' lists the options.\n";
}

std::string CommandList() {
  std::size_t width = 0;
  for (const Command& command : Commands()) width = std::max(width, command.name.size());
  std::string text = "Commands:\n";
  for (const Command& command : Commands()) {
    text.append("  ").append(command.name).append(width - command.name.size() + 2, ' ');
    text.append(command.summary).append("\n");
  }
  return text;
}

void Context::Say(std::string_view line) const {
  if (talks()) *out << line << "\n";
}

void Context::Warn(std::string_view line) const { *err << "Warning: " << line << "\n"; }

void Context::Print(const Table& table) const { *out << Render(table, format); }

}  // namespace warren::ctl
