// The dashboard: one page of HTML that holds all it needs and reads the REST API. Compiled in from dashboard.html.
// Any thread.
#pragma once

#include <string_view>

#include "coordinator/api/message.h"

namespace warren::coordinator {

/// The page's text (generated from dashboard.html at build time).
std::string_view DashboardText();

/// The page, with a Content-Security-Policy that lets a browser run its own script and style and talk to this API, and
/// nothing else.
ApiResponse Dashboard();

}  // namespace warren::coordinator
