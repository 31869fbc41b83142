// Where parameters come from: the broker, and the files of --policies-dir.
#pragma once

#include <string>
#include <vector>

#include "coordinator/ctl/command.h"
#include "policies/error.h"
#include "policies/parameter.h"

namespace warren::ctl {

/// The broker's parameters of Warren, then those of the files, which win where names are the same.
/// With --policies-dir, a user who may not read global parameters sees those of the files alone.
Result<std::vector<Parameter>> UserParameters(const Context& context);

/// `broker` with `files` put over it, by name.
std::vector<Parameter> Merge(std::vector<Parameter> broker, const std::vector<Parameter>& files);

/// All *.json files of a directory, by file name. Errors: kConfiguration (cannot be read), kInvalid (a file is wrong).
Result<std::vector<Parameter>> ReadPoliciesDirectory(const std::string& directory);

}  // namespace warren::ctl
