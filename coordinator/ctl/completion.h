// Completion scripts of shells, from the tables of commands and options. Pure.
#pragma once

#include <string>
#include <vector>

#include "coordinator/ctl/command.h"
#include "shardmgr/program/options.h"

namespace warren::ctl {

std::string BashCompletion(const std::vector<Command>& commands, const std::vector<program::Option>& options);
std::string ZshCompletion(const std::vector<Command>& commands, const std::vector<program::Option>& options);
std::string FishCompletion(const std::vector<Command>& commands, const std::vector<program::Option>& options);

/// What an option is completed with.
enum class ValueKind { kNone, kAnything, kChoice, kFile, kFolder };

/// An option as completion sees it.
struct OptionView {
  explicit OptionView(const program::Option& option);

  std::string name;        ///< "quiet"
  std::string short_name;  ///< "q", or empty.
  std::string help;
  std::string placeholder;
  std::vector<std::string> choices;
  ValueKind value = ValueKind::kNone;
  bool repeatable = false;
  std::vector<std::string_view> commands;  ///< That take it; none: all do.
};

/// `words` with `separator` between them.
std::string Joined(const std::vector<std::string>& words, std::string_view separator);

}  // namespace warren::ctl
