// The head of a request as the application behind a worker gets it. Pure: the last writer of HTTP on the
// way in, so it is one function, and fuzzed (tests/fuzz).
#pragma once

#include <string>
#include <string_view>

#include "proxy/wire/message.h"

namespace warren::worker {

/// The head of the request as it goes to the application, with `host` as Host; its empty line included.
std::string RequestHead(const wire::Request& request, std::string_view host);

}  // namespace warren::worker
