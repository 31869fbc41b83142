// Whether a text is a value that an option may have. Used by OptionSet::Parse alone. Pure.
#pragma once

#include <string>

#include "policies/error.h"
#include "shardmgr/program/options.h"

namespace warren::program {

/// The error says what would be right; its place is the caller's to add.
Result<void> CheckValue(const Option& option, const std::string& text);

}  // namespace warren::program
