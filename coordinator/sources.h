// Where definitions, policies and globals come from: the broker's global parameters and the files of
// --policies-dir. Reads files; called by the coordinator's loop once a round, and by warrenctl.
#pragma once

#include <string>
#include <vector>

#include "policies/error.h"
#include "policies/parameter.h"

namespace warren::coordinator {

struct Sources {
  std::vector<Parameter> parameters;  ///< Global ones, then those of files, of a name one alone.
  std::vector<Error> problems;        ///< Files (or the folder) that could not be used.
  std::vector<std::string> notices;   ///< What a file overrides.

  /// Adds `parameter`, in place of one of the same name (with a notice).
  void Put(Parameter parameter);
};

/// Global parameters with the files `*.json` of `directory` (sorted by name) on top: a file wins over a
/// global parameter of the same name, a later file over an earlier one. Empty `directory`: globals alone.
Sources GatherSources(const std::vector<Parameter>& global_parameters, const std::string& directory);

}  // namespace warren::coordinator
