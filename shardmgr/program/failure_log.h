// FailureLog: log lines for attempts that go on for ever, as reconnecting does. What is news is a warning; the
// same failure of the same thing again is a debug line.
//
// Threads: one at a time.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "policies/error.h"

namespace warren::program {

class FailureLog {
 public:
  /// `what`, of which several may fail side by side (an endpoint), goes into the line as field `endpoint`. `lost`: it
  /// had worked until now, which always is news.
  void Note(std::string_view message, const std::string& what, const Error& error, bool lost);
  /// It works: its next failure is news, whatever the reason.
  void Forget(const std::string& what) { last_.erase(what); }

 private:
  std::map<std::string, std::string> last_;  ///< What -> the reason as last logged.
};

}  // namespace warren::program
