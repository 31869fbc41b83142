// Paths of the management API. Pure.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace warren::management {

/// "/api" and the segments, each percent-encoded so that any name is one segment:
/// ApiPath({"queues", "/", "a b"}) is "/api/queues/%2F/a%20b".
std::string ApiPath(std::initializer_list<std::string_view> segments);

}  // namespace warren::management
