// completion: prints a script; what the scripts of all shells share; the script for bash.
#include "coordinator/ctl/completion.h"

#include <ostream>

#include "coordinator/ctl/cli.h"

namespace warren::ctl {
namespace {

constexpr std::string_view kBashHead = R"(# bash completion for warrenctl; made by 'warrenctl completion bash'.
_warrenctl() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command="" arguments=0 skip="" i word
  local IFS=$'\n'
  COMPREPLY=()
  if [[ $current == = ]]; then
    current=""
  elif [[ $previous == = && $COMP_CWORD -ge 2 ]]; then
    previous=${COMP_WORDS[COMP_CWORD-2]}
  fi
)";

constexpr std::string_view kBashTail = R"(complete -F _warrenctl warrenctl
)";

/// Words one on a line, for compgen -W under IFS=newline; none of them needs quoting.
std::string Words(const std::vector<std::string>& words) { return "$'" + Joined(words, "\\n") + "'"; }

/// "--name" and "-n" as a pattern of case.
std::string Pattern(const OptionView& option) {
  return "--" + option.name + (option.short_name.empty() ? "" : "|-" + option.short_name);
}

/// The case that completes the value of the option before the cursor.
std::string BashValues(const std::vector<OptionView>& options) {
  std::string text = "  case $previous in\n";
  std::vector<std::string> anything;
  for (const OptionView& option : options) {
    const std::string head = "    " + Pattern(option) + ") ";
    if (option.value == ValueKind::kAnything) anything.push_back(Pattern(option));
    if (option.value == ValueKind::kChoice) {
      text += head + "COMPREPLY=($(compgen -W " + Words(option.choices) + " -- \"$current\")); return ;;\n";
    } else if (option.value == ValueKind::kFile || option.value == ValueKind::kFolder) {
      const char* kind = option.value == ValueKind::kFile ? "-f" : "-d";
      text +=
          head + "compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen " + kind + " -- \"$current\")); return ;;\n";
    }
  }
  return text + "    " + Joined(anything, "|") + ") return ;;\n  esac\n";
}

/// The loop that finds the command and counts what stands behind it.
std::string BashScan(const std::vector<OptionView>& options) {
  std::vector<std::string> with_value;
  for (const OptionView& option : options) {
    if (option.value != ValueKind::kNone) with_value.push_back(Pattern(option));
  }
  return "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "    word=${COMP_WORDS[i]}\n"
         "    if [[ $word == [=:] ]]; then skip=1; continue; fi\n"
         "    if [[ -n $skip ]]; then skip=\"\"; continue; fi\n"
         "    case $word in\n"
         "      " +
         Joined(with_value, "|") +
         ") [[ ${COMP_WORDS[i+1]} == = ]] || skip=1 ;;\n"
         "      -?*) ;;\n"
         "      *) if [[ -z $command ]]; then command=${word//-/_}; else ((arguments += 1)); fi ;;\n"
         "    esac\n"
         "  done\n";
}

std::string BashOptions(const std::vector<Command>& commands, const std::vector<OptionView>& options) {
  std::vector<std::string> common;
  for (const OptionView& option : options) {
    if (option.commands.empty()) common.push_back("--" + option.name);
  }
  std::string text =
      "  if [[ $current == -* ]]; then\n"
      "    local offered=" +
      Words(common) + "\n    case $command in\n";
  for (const Command& command : commands) {
    if (command.options.empty()) continue;
    std::vector<std::string> own;
    for (const std::string_view option : command.options) own.push_back("--" + std::string(option));
    text += "      " + std::string(command.name) + ") offered+=$'\\n'" + Words(own) + " ;;\n";
  }
  return text + "    esac\n    COMPREPLY=($(compgen -W \"$offered\" -- \"$current\"))\n    return\n  fi\n";
}

std::string BashArguments(const std::vector<Command>& commands) {
  std::vector<std::string> names;
  for (const Command& command : commands) names.emplace_back(command.name);
  std::string text = "  if [[ -z $command ]]; then\n    COMPREPLY=($(compgen -W " + Words(names) +
                     " -- \"$current\"))\n    return\n  fi\n  [[ $arguments -eq 0 ]] || return\n  case $command in\n";
  for (const Command& command : commands) {
    if (command.words.empty()) continue;
    const std::string head = "    " + std::string(command.name) + ") ";
    if (command.words.front() == "FILE") {
      text += head + "compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- \"$current\")) ;;\n";
    } else {
      const std::vector<std::string> words(command.words.begin(), command.words.end());
      text += head + "COMPREPLY=($(compgen -W " + Words(words) + " -- \"$current\")) ;;\n";
    }
  }
  return text + "  esac\n}\n";
}

}  // namespace

OptionView::OptionView(const program::Option& option)
    : name(option.name.substr(0, option.name.find(','))),
      short_name(option.name.find(',') == std::string::npos ? "" : option.name.substr(option.name.find(',') + 1)),
      help(option.help),
      placeholder(option.placeholder.empty() ? "VALUE" : option.placeholder),
      choices(option.choices),
      repeatable(option.repeatable),
      commands(CommandsOf(name)) {
  if (option.kind == program::OptionKind::kFlag) return;
  value = !choices.empty()        ? ValueKind::kChoice
          : placeholder == "FILE" ? ValueKind::kFile
          : placeholder == "DIR"  ? ValueKind::kFolder
                                  : ValueKind::kAnything;
}

std::string Joined(const std::vector<std::string>& words, std::string_view separator) {
  std::string text;
  for (const std::string& word : words) text.append(text.empty() ? "" : separator).append(word);
  return text;
}

std::string BashCompletion(const std::vector<Command>& commands, const std::vector<program::Option>& options) {
  const std::vector<OptionView> views(options.begin(), options.end());
  return std::string(kBashHead) + BashValues(views) + BashScan(views) + BashOptions(commands, views) +
         BashArguments(commands) + std::string(kBashTail);
}

Result<int> PrintCompletion(const Context& context) {
  const std::string& shell = context.arguments[0];
  const auto options = MakeOptions();
  if (shell == "bash") {
    *context.out << BashCompletion(Commands(), options.options());
  } else if (shell == "zsh") {
    *context.out << ZshCompletion(Commands(), options.options());
  } else if (shell == "fish") {
    *context.out << FishCompletion(Commands(), options.options());
  } else {
    return Fail(ErrorCode::kUsage, "there is no completion for shell '" + shell + "'; it is bash, zsh or fish");
  }
  return 0;
}

}  // namespace warren::ctl
