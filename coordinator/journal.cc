// See journal.h.
#include "coordinator/journal.h"

#include <algorithm>

#include "coordinator/clock.h"

namespace warren::coordinator {

void Journal::Add(JournalEntry entry) {
  const std::lock_guard lock(mutex_);
  entries_.push_back(std::move(entry));
  if (entries_.size() > kMostEntries) entries_.pop_front();
  ++total_;
}

void Journal::Add(std::string_view kind, std::string message) {
  Add({NowMs(), std::string(kind), {}, {}, std::move(message)});
}

std::vector<JournalEntry> Journal::Latest(std::size_t limit) const {
  const std::lock_guard lock(mutex_);
  const auto count = static_cast<std::ptrdiff_t>(std::min(limit, entries_.size()));
  return {entries_.end() - count, entries_.end()};
}

std::uint64_t Journal::total() const {
  const std::lock_guard lock(mutex_);
  return total_;
}

}  // namespace warren::coordinator
