// "Did you mean": the known name that somebody who mistyped one probably wanted. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace warren {

/// The name of `known` that is closest to `name` (or begins with it), when it is close enough to be what was meant.
std::optional<std::string> NearestName(std::string_view name, const std::vector<std::string>& known);

}  // namespace warren
