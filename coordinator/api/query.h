// The query of a request, taken apart, and what lists make of it: which entries, and which part of them. A key that a
// resource does not know, or that is given twice, is an error, so that a slip of the pen never shows everything.
// Pure; safe from any thread.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "policies/error.h"

namespace warren::coordinator {

class Query {
 public:
  /// `text` as sent, without the '?': KEY=VALUE pairs between '&', percent-encoded, '+' for a space. `known` are the
  /// keys that the resource takes. kUsage: another key, one given twice, no '=', a wrong percent-encoding, or a
  /// `limit` or `offset` that is not an integer from 0 to kMostEntries.
  static Result<Query> Parse(std::string_view text, const std::vector<std::string_view>& known);

  /// Whether an entry with this value is asked for: the key is not given, or has exactly this value.
  bool Takes(std::string_view key, std::string_view value) const;

  std::size_t limit() const { return limit_; }    ///< How many entries at most; kMostEntries when not given.
  std::size_t offset() const { return offset_; }  ///< How many entries are passed over.

  static constexpr std::size_t kMostEntries = 1'000'000;

 private:
  std::map<std::string, std::string, std::less<>> values_;
  std::size_t limit_ = kMostEntries;
  std::size_t offset_ = 0;
};

}  // namespace warren::coordinator
