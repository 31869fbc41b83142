// Text that is safe on a terminal: names in brokers may hold anything. Pure.
#pragma once

#include <string>
#include <string_view>

namespace warren::ctl {

/// `text` with control characters (C0, DEL and, in UTF-8, C1) as \xNN, so that no name writes on the terminal what it
/// likes. Newlines are control characters too.
std::string Printable(std::string_view text);

/// Code points of UTF-8 text: its width, wide characters apart.
std::size_t Width(std::string_view text);

/// `text`, or its beginning with "…" where it is wider than `width`; 0: any width will do.
std::string CutToWidth(std::string_view text, std::size_t width);

}  // namespace warren::ctl
