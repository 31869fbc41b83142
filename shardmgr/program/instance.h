// The name that a running program has among others of its kind, where nobody gave it one.
#pragma once

#include <string>

namespace warren::program {

/// "host-pid-random": unlike any other's, and tells people where to look.
std::string MakeInstance();

}  // namespace warren::program
