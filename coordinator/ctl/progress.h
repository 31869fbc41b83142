// Progress: where a command that takes its time stands, for people.
//
// On a terminal one line is rewritten; elsewhere each change is a line of its own. Says nothing where
// Context::Say says nothing. One thread.
#pragma once

#include <string>
#include <string_view>

#include "coordinator/ctl/command.h"

namespace warren::ctl {

class Progress {
 public:
  /// `context` must outlive it.
  explicit Progress(const Context& context) : context_(context) {}
  /// Ends the line.
  ~Progress() { Finish(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Shows `line`; the same one again changes nothing.
  void Show(std::string_view line);
  /// Leaves what is shown; what is written next begins a line of its own.
  void Finish();

 private:
  const Context& context_;
  std::string shown_;
  bool open_ = false;  ///< The terminal's cursor stands behind the line.
};

}  // namespace warren::ctl
