// Reassign: one computation of the assignments of one stream's consumers, and the message that tells one of its own.
// Pure.
#pragma once

#include <string>
#include <vector>

#include "coordinator/consumer_book.h"

namespace warren::coordinator {

/// What numbers the assignments of a coordinator. Term 0: it does not lead, and tells nobody.
struct Numbering {
  std::int64_t term = 0;
  std::uint64_t sequence = 0;
  /// Assignments of this term and later ones are this coordinator's own, and none that another made came between, even
  /// if it does not lead for a moment. 0: there are none.
  std::int64_t own_from = 0;

  /// A number for the next assignments, above all that are known.
  void Begin(std::int64_t next_term) {
    term = next_term;
    sequence = 0;
    if (own_from == 0) own_from = next_term;
  }
  bool IsOwn(const GivenShards& assignment) const { return own_from != 0 && assignment.number.term >= own_from; }
};

struct Reassignment {
  std::vector<std::string> changed;  ///< Instances with a new one.
  bool left_out = false;             ///< Shards are given to nobody: it is more than the consumers can be told of.
};

/// Gives each consumer of `group` that is found its assignment, none that is more than a message can say; those that
/// stay the same keep their number.
Reassignment Reassign(const StreamPlan& stream, ConsumerBook::Group& group, Numbering& numbering,
                      std::int64_t observed_at_ms, std::int64_t statistics_interval_ms);

/// What the consumer is sent.
std::string Message(const StreamName& stream, const std::string& instance, const GivenShards& given);

}  // namespace warren::coordinator
