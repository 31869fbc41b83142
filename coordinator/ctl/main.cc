// warrenctl: the command line of Warren.
//
// One run is one command: options (cli.h), the command (commands.cc), its result, an exit code. Talks
// to the management API alone, so it works with no coordinator running.
#include <unistd.h>

#include <iostream>

#include "coordinator/ctl/cli.h"
#include "coordinator/ctl/printable.h"

namespace warren::ctl {
namespace {

int Explain(const Error& error) {
  std::cerr << "Error: " << Printable(error.ToString()) << "\n";
  if (error.code == ErrorCode::kUsage) std::cerr << "Try 'warrenctl --help'.\n";
  if (error.code == ErrorCode::kTimeout) std::cerr << "With --timeout it waits longer.\n";
  return ExitCode(error.code);
}

int PrintHelp(const program::OptionSet& options, const program::Parsed& parsed) {
  if (parsed.arguments().empty()) {
    std::cout << options.Help();
    return 0;
  }
  auto command = FindCommand(parsed.arguments().front());
  if (!command) return Explain(command.error());
  std::cout << HelpOf(**command);
  return 0;
}

int RunCommand(const program::Parsed& parsed) {
  if (parsed.arguments().empty()) {
    return Explain({ErrorCode::kUsage, "a command is missing, such as list_streams or apply", {}});
  }
  auto command = FindCommand(parsed.arguments().front());
  if (!command) return Explain(command.error());
  auto session = OpenSession(parsed, **command);
  if (!session) return Explain(session.error());
  if (auto fits = CheckArguments(**command, session->context.arguments); !fits) return Explain(fits.error());
  auto exit_code = (*command)->run(session->context);
  if (!exit_code) return Explain(exit_code.error());
  std::cout.flush();
  if (!std::cout) return Explain({ErrorCode::kInternal, "standard output cannot be written", {}});
  return *exit_code;
}

int Main(int argc, const char* const* argv) {
  const auto options = MakeOptions();
  const auto arguments = WithNegativeValue({argv, argv + argc});
  std::vector<const char*> pointers;
  for (const std::string& argument : arguments) pointers.push_back(argument.c_str());
  auto parsed = options.Parse(static_cast<int>(pointers.size()), pointers.data(), ::environ);
  if (!parsed) return Explain(parsed.error());
  if (parsed->wants_version()) {
    std::cout << options.Version() << "\n";
    return 0;
  }
  if (parsed->wants_help()) return PrintHelp(options, *parsed);
  return RunCommand(*parsed);
}

}  // namespace
}  // namespace warren::ctl

int main(int argc, char** argv) { return warren::ctl::Main(argc, argv); }
