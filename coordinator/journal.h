// Journal: what happened lately, for people: a bounded list of short entries. Any thread.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace warren::coordinator {

/// Kinds: "applied", "apply-failed", "condition", "condition-over", "problem", "problem-over", "node-up",
/// "node-down", "node-lost" (the connection to it), "node-joined", "node-left", "node-reachable",
/// "node-unreachable", "node-drained", "node-undrained", "observation-failed", "observation-restored",
/// "events-connected", "events-lost", "role" (who leads).
struct JournalEntry {
  std::int64_t at_ms = 0;  ///< Unix time.
  std::string kind;
  std::string vhost;  ///< With `exchange`: the stream it is about; empty: none.
  std::string exchange;
  std::string message;
};

class Journal {
 public:
  static constexpr std::size_t kMostEntries = 500;

  /// The oldest entry goes when there are too many.
  void Add(JournalEntry entry);
  /// Now, about no stream.
  void Add(std::string_view kind, std::string message);
  /// The newest ones, oldest of them first.
  std::vector<JournalEntry> Latest(std::size_t limit = kMostEntries) const;
  std::uint64_t total() const;  ///< Entries added since the start.

 private:
  mutable std::mutex mutex_;
  std::deque<JournalEntry> entries_;
  std::uint64_t total_ = 0;
};

}  // namespace warren::coordinator
