// OutcomeBook: what became of the streams that were applied, for status and log: which of them failed last, and which
// failure is news. Outcomes that nobody waited for (apply.h) wait here until the loop takes them.
//
// Threads: AddLate from any; the rest on the loop's.
#pragma once

#include <mutex>
#include <vector>

#include "coordinator/apply.h"
#include "coordinator/board.h"

namespace warren::coordinator {

class OutcomeBook {
 public:
  /// Of a stream that nobody waited for.
  void AddLate(StreamOutcome outcome);
  /// Those since the last call, in their order.
  std::vector<StreamOutcome> TakeLate();

  /// Whether it failed, and not as it did the last time.
  bool Note(const StreamOutcome& outcome);
  /// Streams whose last apply failed.
  Board::Failures& failures() { return failures_; }

 private:
  Board::Failures failures_;
  std::mutex mutex_;
  std::vector<StreamOutcome> late_;
};

}  // namespace warren::coordinator
