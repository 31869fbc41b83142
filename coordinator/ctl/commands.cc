// The table of commands, and looking into it.
#include <ostream>

#include "coordinator/ctl/command.h"
#include "policies/nearest.h"

namespace warren::ctl {
namespace {

constexpr std::string_view kSetParameterHelp =
    "COMPONENT is stream-definition (NAME is the definition's name, VALUE its JSON object) or stream (NAME is a key\n"
    "of a definition, VALUE the JSON value that holds wherever a definition leaves the key out). VALUE is checked\n"
    "before anything is written. Parameters hold for the whole cluster.\n\n"
    "  warrenctl set_parameter stream-definition my_stream \\\n"
    "    '{\"local-username\": \"guest\", \"shards-per-node\": 2, \"routing-key\": \"1234\"}'\n"
    "  warrenctl set_parameter stream routing-key '\"4321\"'\n";
constexpr std::string_view kSetPolicyHelp =
    "Exchanges of the virtual host (--vhost) whose name matches PATTERN (PCRE2, unanchored) become streams.\n"
    "DEFINITION is a JSON object that names a stream definition. Of several policies that match, the one with the\n"
    "highest --priority holds, then the smallest name.\n\n"
    "  warrenctl set_policy my_stream \"^shard\\.\" '{\"stream-definition\": \"my_stream\"}'\n";
constexpr std::string_view kApplyHelp =
    "Observes, plans and applies through the management API until nothing is left to do or nothing gets done.\n"
    "Exit code 0: every stream is ready. 3: only part could be done; standard error says what and why.\n";

}  // namespace

const std::vector<Command>& Commands() {
  static const std::vector<Command> kCommands = {
      {"set_parameter", "COMPONENT NAME VALUE", "Sets a stream definition or a default.", kSetParameterHelp, 3, 3,
       SetParameter},
      {"clear_parameter", "COMPONENT NAME", "Removes a stream definition or a default.", "", 2, 2, ClearParameter},
      {"list_parameters", "", "Lists stream definitions and defaults.", "", 0, 0, ListParameters},
      {"set_policy", "[--priority N] [--apply-to exchanges] NAME PATTERN DEFINITION",
       "Says which exchanges are streams.", kSetPolicyHelp, 3, 3, SetPolicy},
      {"clear_policy", "NAME", "Removes a policy of the virtual host.",
       "Its exchanges keep their shards, which are not looked after any more.\n", 1, 1, ClearPolicy},
      {"list_policies", "", "Lists policies.", "", 0, 0, ListPolicies},
      {"list_streams", "", "Lists the exchanges that policies match, and whether they are ready.", "", 0, 0,
       ListStreams},
      {"list_shards", "[EXCHANGE]", "Lists shards: where they are, how they are bound, what is in them.",
       "Counts and rates are up to one statistics interval (5 s) old.\n", 0, 1, ListShards},
      {"list_nodes", "", "Lists the nodes of the cluster.", "", 0, 0, ListNodes},
      {"plan", "", "Prints what apply would do, and changes nothing.", "", 0, 0, ShowPlan},
      {"apply", "", "Declares and binds what is missing, once, without a coordinator.", kApplyHelp, 0, 0, ApplyPlan},
  };
  return kCommands;
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
  if (!quiet && format == Format::kTable) *out << line << "\n";
}

void Context::Warn(std::string_view line) const { *err << "Warning: " << line << "\n"; }

void Context::Print(const Table& table) const { *out << Render(table, format); }

}  // namespace warren::ctl
