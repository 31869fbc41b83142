// A second, independent reader of HTTP heads, for checking what our writers write: no shared code with
// proxy/wire, so that a mistake there is not made here too.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/fuzz/fuzz.h"

namespace warren::fuzz {

struct PlainHead {
  std::string_view start_line;
  std::vector<std::pair<std::string_view, std::string_view>> fields;  ///< As written, after ": ".
  std::size_t bytes = 0;                                              ///< Empty line included.
};

inline std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return lower;
}

/// The head at the front of `bytes`; ends the program when it is not one, whatever the reader's mood:
/// every LF after a CR, every CR before an LF, no NUL, every field a name, ": " and a value.
inline PlainHead ReadPlainHead(std::string_view bytes) {
  PlainHead head;
  for (bool first = true;; first = false) {
    const std::size_t end = bytes.find('\n', head.bytes);
    Require(end != bytes.npos && end > head.bytes && bytes[end - 1] == '\r', "a line ends in CRLF: ", bytes);
    const std::string_view line = bytes.substr(head.bytes, end - 1 - head.bytes);
    Require(line.find('\r') == line.npos && line.find('\0') == line.npos, "no CR or NUL in a line: ", line);
    head.bytes = end + 1;
    if (first) {
      head.start_line = line;
      continue;
    }
    if (line.empty()) return head;
    const std::size_t colon = line.find(':');
    Require(colon != line.npos && colon > 0, "a field line has a name: ", line);
    for (const unsigned char c : line.substr(0, colon)) {
      Require(c > ' ' && c < 0x7f &&
                  std::string_view("\"(),/:;<=>?@[\\]{}").find(static_cast<char>(c)) == std::string_view::npos,
              "a name is a token: ", line);
    }
    Require(line.substr(colon, 2) == ": ", "one space after the colon: ", line);
    head.fields.emplace_back(line.substr(0, colon), line.substr(colon + 2));
  }
}

/// How many fields have this (lower-case) name.
inline std::size_t CountFields(const PlainHead& head, std::string_view name) {
  return static_cast<std::size_t>(
      std::count_if(head.fields.begin(), head.fields.end(), [&](const auto& f) { return Lower(f.first) == name; }));
}

inline std::string_view FieldValue(const PlainHead& head, std::string_view name) {
  for (const auto& [key, value] : head.fields) {
    if (Lower(key) == name) return value;
  }
  return {};
}

}  // namespace warren::fuzz
