// One round of applying a plan: what apply and delete_stream repeat until nothing is left.
#pragma once

#include <string>
#include <vector>

#include "coordinator/ctl/command.h"
#include "coordinator/ctl/progress.h"
#include "shardmgr/plan/plan.h"

namespace warren::ctl {

inline constexpr int kPartlyDone = 3;  ///< Exit code.

/// What one round did, over all streams.
struct Round {
  std::size_t done = 0;
  std::vector<Error> failures;  ///< In order; actions that were left out because of them are not listed.
};

/// What a command did, for programs: vhost, exchange, action, queue, outcome (done or failed).
class Journal {
 public:
  void Add(const Action& action, bool done);
  /// In the formats for programs; people were told at once.
  void PrintFor(const Context& context) const;
  bool empty() const { return table_.rows.empty(); }

 private:
  Table table_{{"vhost", "exchange", "action", "queue", "outcome"}, {}};
};

/// Applies the plan through the management API, says a line for each action that was done and writes all that were
/// tried to the journal.
Round ApplyOnce(const Context& context, const Plan& plan, Progress& progress, Journal& journal);

/// "1 action", "3 actions"
std::string Actions(std::size_t count);

/// How long to wait before the next look at a plan: until there is something new to see of its drains, at most a
/// second; not beyond `left`.
std::chrono::milliseconds UntilNextLook(const Plan& plan, std::chrono::milliseconds left);

}  // namespace warren::ctl
