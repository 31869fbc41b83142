// Options of warrenctl and what they are turned into.
#include "coordinator/ctl/cli.h"

#include <unistd.h>

#include <iostream>
#include <limits>

#include "coordinator/ctl/user_parameters.h"
#include "shardmgr/program/settings.h"

namespace warren::ctl {
namespace {

using program::OptionKind;

constexpr std::chrono::milliseconds kLongestRequest{10'000};  // Of a command whose --timeout is for all of it.

bool IsNegativeNumber(std::string_view text) {
  return text.size() > 1 && text[0] == '-' && text[1] >= '0' && text[1] <= '9';
}

/// An option of other commands is a mistake on the command line; in the environment or a file it is for those.
Result<void> CheckOptionsOf(const program::Parsed& parsed, const program::OptionSet& options, const Command& command) {
  for (const program::Option& option : options.options()) {
    const std::string name = option.name.substr(0, option.name.find(','));
    const auto takers = CommandsOf(name);
    if (takers.empty() || std::find(takers.begin(), takers.end(), command.name) != takers.end()) continue;
    if (!parsed.Origin(name).starts_with("--")) continue;
    std::string list;
    for (const std::string_view taker : takers) list.append(list.empty() ? "" : ", ").append(taker);
    return Fail(ErrorCode::kUsage, "belongs to " + list + ", and has no meaning for " + std::string(command.name),
                "--" + name);
  }
  return {};
}

/// What export writes is one document for import, and no table.
Result<void> CheckFormat(const program::Parsed& parsed, const Command& command) {
  const bool asked = parsed.Text("formatter") == "csv" && parsed.Origin("formatter").starts_with("--");
  if (command.name != "export" || !asked) return {};
  return Fail(ErrorCode::kUsage, "export writes JSON in any case; leave the option out", "--formatter csv");
}

void AddCommandOptions(program::OptionSet& options) {
  options.Add({.name = "priority",
               .kind = OptionKind::kInteger,
               .placeholder = "N",
               .default_value = "0",
               .help = "set_policy: the highest wins.",
               .minimum = std::numeric_limits<std::int32_t>::min(),
               .maximum = std::numeric_limits<std::int32_t>::max()});
  options.Add({.name = "apply-to",
               .placeholder = "WHAT",
               .default_value = "exchanges",
               .help = "set_policy: what the policy is for.",
               .choices = {"exchanges"}});
  options.Add({.name = "watch,w", .kind = OptionKind::kFlag, .help = "status: again and again, until Ctrl-C."});
  options.Add({.name = "interval",
               .kind = OptionKind::kDuration,
               .placeholder = "DURATION",
               .default_value = "2s",
               .help = "status --watch: time between two looks.",
               .minimum = 100});
  options.Add({.name = "coordinator",
               .kind = OptionKind::kHttpUrl,
               .placeholder = "URL",
               .default_value = "http://127.0.0.1:15680",
               .help = "list_assignments, events, status: REST API of the coordinator; status asks it only when this "
                       "is given."});
  options.Add({.name = "token-file",
               .placeholder = "FILE",
               .help = "list_assignments, events, status: the token of the coordinator, where it asks for one."});
  options.Add({.name = "never-delete", .kind = OptionKind::kFlag, .help = "plan, apply: no queue is deleted."});
  options.Add({.name = "statistics-interval",
               .kind = OptionKind::kDuration,
               .placeholder = "DURATION",
               .default_value = "5s",
               .help = "plan, apply, delete_stream: the broker's collect_statistics_interval. What is to be deleted is "
                       "looked at twice, this far apart.",
               .minimum = 100});
  options.Add({.name = "wait", .kind = OptionKind::kFlag, .help = "drain_node: until no shard is left there."});
  options.Add({.name = "purge", .kind = OptionKind::kFlag, .help = "delete_stream: drop messages that are ready."});
  options.Add({.name = "as",
               .placeholder = "SHAPE",
               .default_value = "warren",
               .help = "export: the shape of what is written.",
               .choices = {"warren", "definitions"}});
  options.Add({.name = "dry-run", .kind = OptionKind::kFlag, .help = "import: only say what would be written."});
}

void SetCommandOptions(const program::Parsed& parsed, const Command& command, Context& context) {
  context.priority = static_cast<int>(parsed.Integer("priority"));
  context.apply_to = parsed.Text("apply-to");
  context.purge = parsed.Flag("purge");
  context.wait = parsed.Flag("wait");
  context.watch = parsed.Flag("watch");
  context.dry_run = parsed.Flag("dry-run");
  context.never_delete = parsed.Flag("never-delete");
  context.export_as = parsed.Text("as");
  context.coordinator = parsed.Text("coordinator");
  context.coordinator_given = parsed.Given("coordinator");
  context.interval = parsed.Duration("interval");
  context.statistics_interval_ms = parsed.Duration("statistics-interval").count();
  context.request_timeout = parsed.Duration("timeout");
  if (!command.waits) return;
  if (parsed.Given("timeout")) context.time_limit = context.request_timeout;
  context.request_timeout = std::min(context.request_timeout, kLongestRequest);
}

}  // namespace

program::OptionSet MakeOptions() {
  program::OptionSet options(
      "warrenctl", "[OPTIONS] COMMAND [ARGUMENTS]",
      "Shards RabbitMQ exchanges, in the grammar of rabbitmqctl. Needs only the management API.\n\n" + CommandList() +
          "\n'warrenctl COMMAND --help' tells more of one.");
  options.Take(program::kManagementOption | program::kCredentialOptions | program::kTlsOption);
  options.Add(
      {.name = "vhost,p",
       .placeholder = "NAME",
       .default_value = "/",
       .help =
           "Virtual host of policies and streams; lists, status, plan, apply and export take in all of them unless it "
           "is given."});
  options.Add({.name = "formatter",
               .placeholder = "FORMAT",
               .default_value = "table",
               .help = "How results are written.",
               .choices = {"table", "json", "csv"}});
  options.Add({.name = "quiet,q", .kind = OptionKind::kFlag, .help = "Print results and errors only."});
  options.Add({.name = "timeout,t",
               .kind = OptionKind::kDuration,
               .placeholder = "DURATION",
               .default_value = "10s",
               .help =
                   "For one request to one management URL; of apply, delete_stream and drain_node: for all of it, 2 "
                   "min unless given.",
               .minimum = 1});
  options.Add({.name = "policies-dir",
               .placeholder = "DIR",
               .help = "Stream definitions and policies in *.json files there win over those in the broker."});
  AddCommandOptions(options);
  options.TakeArguments();
  return options;
}

std::vector<std::string> WithNegativeValue(std::vector<std::string> arguments) {
  const std::size_t count = arguments.size();
  if (count < 3 || !IsNegativeNumber(arguments.back()) || arguments[count - 2].starts_with('-')) return arguments;
  if (std::find(arguments.begin(), arguments.end(), "--") != arguments.end()) return arguments;
  arguments.insert(arguments.end() - 1, "--");
  return arguments;
}

Result<Session> OpenSession(const program::Parsed& parsed, const Command& command) {
  if (auto fits = CheckOptionsOf(parsed, MakeOptions(), command); !fits) return tl::unexpected(fits.error());
  if (auto fits = CheckFormat(parsed, command); !fits) return tl::unexpected(fits.error());
  auto credentials = program::ReadCredentials(parsed);
  if (!credentials) return tl::unexpected(credentials.error());
  auto token = program::ReadToken(parsed);
  if (!token) return tl::unexpected(token.error());

  management::ClientOptions reach;
  reach.urls = parsed.List("management");
  reach.user = credentials->user;
  reach.password = credentials->password;
  Session session;
  Context& context = session.context;
  SetCommandOptions(parsed, command, context);
  context.token = *std::move(token);
  context.tls_ca_file = parsed.Text("tls-ca-file");
  reach.timeout = context.request_timeout;
  reach.tls_ca_file = context.tls_ca_file;

  if (parsed.Given("policies-dir")) {
    auto parameters = ReadPoliciesDirectory(parsed.Text("policies-dir"));
    if (!parameters) return tl::unexpected(parameters.error());
    context.file_parameters = std::move(*parameters);
    context.has_policies_dir = true;
  }
  session.client = std::make_unique<management::Client>(std::move(reach));
  context.arguments.assign(parsed.arguments().begin() + 1, parsed.arguments().end());
  context.vhost = parsed.Text("vhost");
  context.vhost_given = parsed.Given("vhost");
  context.user = credentials->user;
  context.format = ParseFormat(parsed.Text("formatter")).value_or(Format::kTable);
  context.quiet = parsed.Flag("quiet");
  context.terminal = isatty(STDOUT_FILENO) != 0;
  context.client = session.client.get();
  context.out = &std::cout;
  context.err = &std::cerr;
  return session;
}

}  // namespace warren::ctl
