// Command: one verb of warrenctl, and what it gets to work with.
//
// command_table.cc holds all of them; each group of verbs has a file of its own. A command
// writes its result to Context::out and returns 0, another exit code, or an Error that main prints.
#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/ctl/table.h"
#include "policies/error.h"
#include "policies/parameter.h"
#include "shardmgr/broker/management/client.h"

namespace warren::ctl {

/// What one run of warrenctl knows. One thread.
struct Context {
  std::vector<std::string> arguments;  ///< After the command's name; their number has been checked.
  std::string vhost = "/";
  bool vhost_given = false;  ///< Lists show every virtual host unless one is named.
  int priority = 0;          ///< set_policy
  std::string apply_to = "exchanges";
  std::string user = "guest";
  std::vector<Parameter> file_parameters;  ///< Of --policies-dir; win over the broker's.
  bool has_policies_dir = false;
  bool purge = false;                             ///< delete_stream
  bool wait = false;                              ///< drain_node
  bool watch = false;                             ///< status
  bool dry_run = false;                           ///< import
  bool never_delete = false;                      ///< plan, apply
  std::string export_as = "warren";               ///< export
  std::string coordinator;                        ///< URL of a coordinator's REST API.
  std::string token;                              ///< For it; empty: none.
  bool coordinator_given = false;                 ///< status asks it instead of the brokers.
  std::chrono::milliseconds interval{2'000};      ///< status --watch
  std::chrono::milliseconds time_limit{120'000};  ///< Of a command that waits, as a whole.
  std::chrono::milliseconds request_timeout{10'000};
  std::string tls_ca_file;
  std::int64_t statistics_interval_ms = 5'000;  ///< The broker's.
  Format format = Format::kTable;
  bool quiet = false;
  bool terminal = false;  ///< `out` is a terminal: progress rewrites its line.
  const management::Client* client = nullptr;
  std::ostream* out = nullptr;
  std::ostream* err = nullptr;

  // Control characters in what these four are given are escaped.
  /// A line about what is going on; only for people (format table, not quiet).
  void Say(std::string_view line) const;
  /// Whether Say says anything.
  bool talks() const { return !quiet && format == Format::kTable; }
  /// "Warning: …" on stderr.
  void Warn(std::string_view line) const;
  /// "Error: …" on stderr.
  void Complain(const Error& error) const;
  void Print(const Table& table) const;
};

struct Command {
  std::string_view name;     ///< With underscores; dashes are accepted as well.
  std::string_view usage;    ///< Arguments: "COMPONENT NAME VALUE"; "[NAME]" may be left out.
  std::string_view summary;  ///< One line.
  std::string_view help;     ///< The rest.
  std::size_t min_arguments = 0;
  std::size_t max_arguments = 0;
  Result<int> (*run)(const Context&) = nullptr;
  std::vector<std::string_view> options = {};  ///< Long names of those that mean nothing for some other command.
  bool waits = false;                          ///< --timeout is for all of it.
  std::vector<std::string_view> words = {};    ///< What the first argument may be, for completion; "FILE": a file.
};

/// The commands that take an option which not all take, in the order of the help text; none: every command takes it.
std::vector<std::string_view> CommandsOf(std::string_view option);

/// All commands, in the order of the help text.
const std::vector<Command>& Commands();

/// The command of that name, dashes being as good as underscores; kUsage with the nearest one when there is none.
Result<const Command*> FindCommand(std::string_view name);

/// kUsage when there are too few or too many arguments.
Result<void> CheckArguments(const Command& command, const std::vector<std::string>& arguments);

/// Usage, summary and help of one command.
std::string HelpOf(const Command& command);
/// One line for each command.
std::string CommandList();

// The commands. parameters.cc:
Result<int> SetParameter(const Context& context);
Result<int> ClearParameter(const Context& context);
Result<int> ListParameters(const Context& context);
// stream_policies.cc:
Result<int> SetPolicy(const Context& context);
Result<int> ClearPolicy(const Context& context);
Result<int> ListPolicies(const Context& context);
// lists.cc:
Result<int> ListStreams(const Context& context);
Result<int> ListShards(const Context& context);
Result<int> ListNodes(const Context& context);
// plan.cc, apply.cc:
Result<int> ShowPlan(const Context& context);
Result<int> ApplyPlan(const Context& context);
// status.cc, assignments.cc, events.cc:
Result<int> ShowStatus(const Context& context);
Result<int> ListAssignments(const Context& context);
Result<int> ListEvents(const Context& context);
// remove.cc:
Result<int> PurgeStream(const Context& context);
Result<int> DeleteStream(const Context& context);
// drain.cc:
Result<int> DrainNode(const Context& context);
Result<int> UndrainNode(const Context& context);
// transfer.cc:
Result<int> ExportSettings(const Context& context);
Result<int> ImportSettings(const Context& context);
// completion.cc:
Result<int> PrintCompletion(const Context& context);

}  // namespace warren::ctl
