// One line that changes.
#include "coordinator/ctl/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <ostream>

#include "coordinator/ctl/printable.h"

namespace warren::ctl {
namespace {

/// Of the terminal that standard output is, as it is now; 0: it does not say.
std::size_t TerminalWidth() {
  winsize size = {};
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

}  // namespace

void Progress::Show(std::string_view line) {
  if (!context_.talks() || line == shown_) return;
  shown_ = line;
  const std::string safe = Printable(line);
  if (context_.terminal) {
    // A line that wraps could not be rewritten.
    *context_.out << "\r\x1b[K" << CutToWidth(safe, TerminalWidth()) << std::flush;
    open_ = true;
  } else {
    *context_.out << safe << "\n" << std::flush;
  }
}

void Progress::Finish() {
  if (open_) *context_.out << "\n" << std::flush;
  open_ = false;
}

}  // namespace warren::ctl
