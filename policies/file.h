// Policies files: the second source of parameters beside the broker's global ones.
//
// A file is one JSON object that maps parameter names to values, as in policies/examples. Reading
// directories is I/O and belongs to the caller. Pure; safe from any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "policies/error.h"
#include "policies/parameter.h"

namespace warren::policies {

/// A policies file larger than this is refused; callers should not read more into memory either.
inline constexpr std::size_t kMaxPoliciesFileBytes = std::size_t{4} * 1024 * 1024;

/// The parameters of a file, by name. `source` is the file's path. kInvalid: not JSON, not an object, or a
/// name that is not Warren's. Values are not validated: that is the catalog's (or ValidateParameter's) part.
Result<std::vector<Parameter>> ParsePoliciesFile(std::string_view text, std::string source);

}  // namespace warren::policies
