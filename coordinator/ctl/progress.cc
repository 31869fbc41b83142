// One line that changes.
#include "coordinator/ctl/progress.h"

#include <ostream>

namespace warren::ctl {

void Progress::Show(std::string_view line) {
  if (!context_.talks() || line == shown_) return;
  shown_ = line;
  if (context_.terminal) {
    *context_.out << "\r\x1b[K" << line << std::flush;
    open_ = true;
  } else {
    *context_.out << line << "\n" << std::flush;
  }
}

void Progress::Finish() {
  if (open_) *context_.out << "\n" << std::flush;
  open_ = false;
}

}  // namespace warren::ctl
