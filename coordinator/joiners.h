// Joiners: the journal's entries about consumers that joined and left, so few that they cannot push out the others.
// One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

#include "coordinator/consumer_book.h"
#include "coordinator/journal.h"

namespace warren::coordinator {

class Joiners {
 public:
  explicit Joiners(Journal& journal) : journal_(journal) {}

  void Joined(const StreamName& stream) { ++Of(stream).joined; }
  void Left(const StreamName& stream, std::size_t number) { Of(stream).left += number; }
  /// Puts down what changed, at most once in ten seconds; of many streams in one entry.
  void Tell(std::int64_t now_ms, const ConsumerBook& book);

 private:
  struct Change {
    std::size_t joined = 0, left = 0;
  };

  static constexpr std::size_t kMostStreams = 1'000;  ///< Told apart; the rest is one more.

  Change& Of(const StreamName& stream) {
    return changes_[changes_.size() < kMostStreams || changes_.contains(stream) ? stream : StreamName()];
  }

  Journal& journal_;
  std::map<StreamName, Change> changes_;
  std::int64_t told_ms_ = 0;
};

}  // namespace warren::coordinator
