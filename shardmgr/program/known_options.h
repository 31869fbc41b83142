// Every option of every program of Warren: an environment variable WARREN_… that stands for none of
// them is a mistake, one that stands for another program's option is not this program's business.
#pragma once

#include <string_view>

namespace warren::program {

/// Whether some program of Warren has this option (long name).
bool IsKnownOption(std::string_view name);

/// Names that the product's environment may hold without being options: WARREN_TEST_*, and what
/// Kubernetes sets for a Service called warren… (WARREN_PROXY_SERVICE_HOST, WARREN_PROXY_PORT_8080_TCP …).
bool IsForeignVariable(std::string_view variable);

}  // namespace warren::program
