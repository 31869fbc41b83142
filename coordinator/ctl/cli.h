// From the command line to a Context: options, credentials, files.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "coordinator/ctl/command.h"
#include "shardmgr/program/options.h"

namespace warren::ctl {

/// The options of warrenctl; help and version as every program of Warren has them.
program::OptionSet MakeOptions();

/// The command line with "--" before a last argument such as -1, so that a negative number may be a value.
std::vector<std::string> WithNegativeValue(std::vector<std::string> arguments);

/// What a command needs, and the client that it borrows.
struct Session {
  Context context;
  std::unique_ptr<management::Client> client;
};

/// Reads credentials and --policies-dir. Opens no connection. Options of set_policy with other commands are kUsage.
Result<Session> OpenSession(const program::Parsed& parsed, const Command& command);

}  // namespace warren::ctl
