// Pattern: a compiled regular expression of a policy.
//
// PCRE2 as the broker uses PCRE for its own policies: unanchored, on bytes (no UTF mode, so `.` is one
// byte), with limits on the work of one match. Movable; matching is const and safe from any thread.
#pragma once

#include <memory>
#include <string_view>

#include "policies/error.h"

namespace warren::policies {

class Pattern {
 public:
  /// kInvalid: PCRE2's own message and the offset in bytes where it stopped.
  static Result<Pattern> Compile(std::string_view pattern);

  /// Whether the pattern is found anywhere in `subject`. kInvalid when the match gave up at its limit
  /// (a pattern that backtracks without end).
  Result<bool> Matches(std::string_view subject) const;

 private:
  explicit Pattern(std::shared_ptr<const void> code) : code_(std::move(code)) {}

  std::shared_ptr<const void> code_;  ///< pcre2_code; keeps <pcre2.h> out of here.
};

}  // namespace warren::policies
