// The completion scripts for zsh and fish.
#include "coordinator/ctl/completion.h"

namespace warren::ctl {
namespace {

/// Inside single quotes; the quote itself is closed, escaped and opened again.
std::string Quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char character : text) quoted += character == '\'' ? std::string("'\\''") : std::string(1, character);
  return quoted + "'";
}

/// fish escapes a quote within quotes by a backslash.
std::string FishQuoted(const std::string& text) {
  std::string quoted = "'";
  for (const char character : text) {
    if (character == '\'' || character == '\\') quoted += '\\';
    quoted += character;
  }
  return quoted + "'";
}

/// Help within [brackets] of a specification of _arguments; colons end parts of it.
std::string ZshText(const std::string& text) {
  std::string safe;
  for (const char character : text) {
    if (character == '[' || character == ']' || character == ':' || character == '\\') safe += '\\';
    safe += character;
  }
  return safe;
}

std::string ZshValue(const OptionView& option) {
  switch (option.value) {
    case ValueKind::kNone: return "";
    case ValueKind::kAnything: return ":" + option.placeholder + ":";
    case ValueKind::kChoice: return ":" + option.placeholder + ":(" + Joined(option.choices, " ") + ")";
    case ValueKind::kFile: return ":" + option.placeholder + ":_files";
    case ValueKind::kFolder: return ":" + option.placeholder + ":_files -/";
  }
  return "";
}

/// One or two specifications for _arguments, one a line.
std::string ZshOption(const OptionView& option, const std::string& indent) {
  const std::string rest = "[" + ZshText(option.help) + "]" + ZshValue(option);
  const std::string repeat = option.repeatable ? "*" : "";
  const std::string equals = option.value == ValueKind::kNone ? "" : "=";
  std::string text = indent + Quoted(repeat + "--" + option.name + equals + rest) + " \\\n";
  if (!option.short_name.empty()) text += indent + Quoted(repeat + "-" + option.short_name + rest) + " \\\n";
  return text;
}

std::string ZshArguments(const Command& command, const std::vector<OptionView>& options) {
  std::string text = "        " + std::string(command.name) + ")\n          _arguments \\\n";
  for (const OptionView& option : options) {
    const auto& takers = option.commands;  // None: it is common to all, and may stand behind any.
    if (takers.empty() || std::find(takers.begin(), takers.end(), command.name) != takers.end()) {
      text += ZshOption(option, "            ");
    }
  }
  if (!command.words.empty() && command.words.front() == "FILE") {
    text += "            '1:FILE:_files' \\\n";
  } else if (!command.words.empty()) {
    const std::vector<std::string> words(command.words.begin(), command.words.end());
    text += "            " + Quoted("1:" + std::string("word") + ":(" + Joined(words, " ") + ")") + " \\\n";
  }
  return text + "            '*:argument:' ;;\n";
}

}  // namespace

std::string ZshCompletion(const std::vector<Command>& commands, const std::vector<program::Option>& options) {
  const std::vector<OptionView> views(options.begin(), options.end());
  std::string text =
      "#compdef warrenctl\n# zsh completion for warrenctl; made by 'warrenctl completion zsh'.\n"
      "_warrenctl() {\n  local context state state_descr line\n  typeset -A opt_args\n  local -a commands=(\n";
  for (const Command& command : commands) {
    text += "    " + Quoted(std::string(command.name) + ":" + std::string(command.summary)) + "\n";
  }
  text += "  )\n  _arguments -C \\\n";
  for (const OptionView& option : views) {
    if (option.commands.empty()) text += ZshOption(option, "    ");
  }
  text +=
      "    '1:command:->command' \\\n    '*::argument:->argument'\n  case $state in\n"
      "    command) _describe -t commands command commands ;;\n    argument)\n      case ${words[1]//-/_} in\n";
  for (const Command& command : commands) text += ZshArguments(command, views);
  return text +
         "      esac ;;\n  esac\n}\n\n"
         "if [ \"$funcstack[1]\" = _warrenctl ]; then _warrenctl \"$@\"; else compdef _warrenctl warrenctl; fi\n";
}

std::string FishCompletion(const std::vector<Command>& commands, const std::vector<program::Option>& options) {
  std::string text =
      "# fish completion for warrenctl; made by 'warrenctl completion fish'.\ncomplete -c warrenctl -e\n"
      "complete -c warrenctl -f\n";
  for (const Command& command : commands) {
    const std::string name(command.name);
    text += "complete -c warrenctl -n __fish_use_subcommand -a " + name + " -d " +
            FishQuoted(std::string(command.summary)) + "\n";
    if (command.words.empty()) continue;
    const std::string condition = " -n '__fish_seen_subcommand_from " + name + "'";
    const std::vector<std::string> words(command.words.begin(), command.words.end());
    text += "complete -c warrenctl" + condition +
            (words.front() == "FILE" ? std::string(" -F") : " -a " + FishQuoted(Joined(words, " "))) + "\n";
  }
  for (const program::Option& given : options) {
    const OptionView option(given);
    text += "complete -c warrenctl";
    if (!option.commands.empty()) {
      text += " -n '__fish_seen_subcommand_from " + Joined({option.commands.begin(), option.commands.end()}, " ") + "'";
    }
    text += " -l " + option.name + (option.short_name.empty() ? "" : " -s " + option.short_name);
    if (option.value == ValueKind::kChoice) text += " -x -a " + FishQuoted(Joined(option.choices, " "));
    if (option.value == ValueKind::kAnything) text += " -x";
    if (option.value == ValueKind::kFile || option.value == ValueKind::kFolder) text += " -r -F";
    text += " -d " + FishQuoted(option.help) + "\n";
  }
  return text;
}

}  // namespace warren::ctl
