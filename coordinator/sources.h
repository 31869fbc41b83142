// Where definitions, policies and globals come from: the broker's global parameters and the files of
// --policies-dir. Reads files; called by the coordinator's loop once a round, and by warrenctl.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "policies/error.h"
#include "policies/parameter.h"

namespace warren::coordinator {

struct Sources {
  std::vector<Parameter> parameters;  ///< Global ones, then those of files, of a name one alone.
  std::vector<Error> problems;        ///< Files (or the folder) that could not be used.
  std::vector<std::string> notices;   ///< What a file overrides.
  /// Every file could be read, now or before. Where not, what users ask for is not known, and nothing may be taken
  /// away.
  bool complete = true;

  /// Adds `parameter`, in place of one of the same name (with a notice).
  void Put(Parameter parameter);
};

/// Reads the same folder again and again. A file that is wrong now counts as it was when it was last right: a
/// file that is being written must not take shards away. One that is gone is gone. One thread.
class FileSources {
 public:
  /// Empty `directory`: global parameters alone.
  explicit FileSources(std::string directory) : directory_(std::move(directory)) {}

  /// Global parameters with the files `*.json` of the directory (sorted by name) on top: a file wins over a
  /// global parameter of the same name, a later file over an earlier one.
  Sources Gather(const std::vector<Parameter>& global_parameters);

 private:
  std::string directory_;
  std::map<std::string, std::vector<Parameter>> last_good_;  ///< By path.
};

}  // namespace warren::coordinator
