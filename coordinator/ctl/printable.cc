// Escaping, and counting of code points.
#include "coordinator/ctl/printable.h"

#include <algorithm>

namespace warren::ctl {
namespace {

bool BeginsCodePoint(char character) { return (static_cast<unsigned char>(character) & 0xc0) != 0x80; }

/// U+0080 to U+009F, in UTF-8 two bytes, of which `lead` is the first: terminals obey these as well.
bool IsC1(unsigned char lead, unsigned char next) { return lead == 0xc2 && next >= 0x80 && next <= 0x9f; }

void AppendEscaped(std::string& text, unsigned char byte) {
  constexpr std::string_view kHex = "0123456789abcdef";
  text.append("\\x").append(1, kHex[byte >> 4]).append(1, kHex[byte & 15]);
}

}  // namespace

std::string Printable(std::string_view text) {
  std::string safe;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (i + 1 < text.size() && IsC1(byte, static_cast<unsigned char>(text[i + 1]))) {
      AppendEscaped(safe, static_cast<unsigned char>(text[++i]));
    } else if (byte < 0x20 || byte == 0x7f) {
      AppendEscaped(safe, byte);
    } else {
      safe += text[i];
    }
  }
  return safe;
}

std::size_t Width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), BeginsCodePoint));
}

std::string CutToWidth(std::string_view text, std::size_t width) {
  if (width == 0 || Width(text) <= width) return std::string(text);
  std::size_t end = 0;
  for (std::size_t points = 0; end < text.size(); ++end) {
    if (BeginsCodePoint(text[end]) && ++points == width) break;
  }
  return std::string(text.substr(0, end)) + "…";
}

}  // namespace warren::ctl
