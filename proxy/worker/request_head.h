// The head of a request as the application behind a worker gets it. Pure: the last writer of HTTP on the
// way in, so it is one function, and fuzzed (tests/fuzz).
#pragma once

#include <string>
#include <string_view>

#include "proxy/wire/message.h"

namespace warren::worker {

/// Writes the head of the request as it goes to the application over `head`, with `host` as Host; its empty line
/// included. For a request of a proxy it adds the fields that the message says elsewhere (docs/wire.md, "Fields that
/// are not in the table").
void WriteRequestHead(const wire::Request& request, std::string_view host, std::string& head);

}  // namespace warren::worker
