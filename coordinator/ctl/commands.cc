// Looking into the table of commands, and what a context says.
#include <ostream>

#include "coordinator/ctl/command.h"
#include "coordinator/ctl/printable.h"
#include "policies/nearest.h"

namespace warren::ctl {

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
  if (talks()) *out << Printable(line) << "\n";
}

void Context::Warn(std::string_view line) const { *err << "Warning: " << Printable(line) << "\n"; }

void Context::Complain(const Error& error) const { *err << "Error: " << Printable(error.ToString()) << "\n"; }

void Context::Print(const Table& table) const { *out << Render(table, format); }

}  // namespace warren::ctl
