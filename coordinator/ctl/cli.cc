// Options of warrenctl and what they are turned into.
#include "coordinator/ctl/cli.h"

#include <iostream>
#include <limits>

#include "coordinator/ctl/user_parameters.h"
#include "shardmgr/program/settings.h"

namespace warren::ctl {
namespace {

using program::OptionKind;

bool IsNegativeNumber(std::string_view text) {
  return text.size() > 1 && text[0] == '-' && text[1] >= '0' && text[1] <= '9';
}

Result<void> CheckOptionsOf(const program::Parsed& parsed, const Command& command) {
  for (const char* option : {"priority", "apply-to"}) {
    if (command.name != "set_policy" && parsed.Origin(option).starts_with("--")) {
      return Fail(ErrorCode::kUsage, "belongs to set_policy, and has no meaning for " + std::string(command.name),
                  "--" + std::string(option));
    }
  }
  return {};
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
       .help = "Virtual host of set_policy and clear_policy; lists, plan and apply keep to it when it is given."});
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
               .help = "For one request to one management URL.",
               .minimum = 1});
  options.Add({.name = "policies-dir",
               .placeholder = "DIR",
               .help = "Stream definitions and policies in *.json files there win over those in the broker."});
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
  if (auto fits = CheckOptionsOf(parsed, command); !fits) return tl::unexpected(fits.error());
  auto credentials = program::ReadCredentials(parsed);
  if (!credentials) return tl::unexpected(credentials.error());

  management::ClientOptions reach;
  reach.urls = parsed.List("management");
  reach.user = credentials->user;
  reach.password = credentials->password;
  reach.timeout = parsed.Duration("timeout");
  reach.tls_ca_file = parsed.Text("tls-ca-file");

  Session session;
  Context& context = session.context;
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
  context.priority = static_cast<int>(parsed.Integer("priority"));
  context.apply_to = parsed.Text("apply-to");
  context.user = credentials->user;
  context.format = ParseFormat(parsed.Text("formatter")).value_or(Format::kTable);
  context.quiet = parsed.Flag("quiet");
  context.client = session.client.get();
  context.out = &std::cout;
  context.err = &std::cerr;
  return session;
}

}  // namespace warren::ctl
