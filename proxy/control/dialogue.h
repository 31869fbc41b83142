// Dialogue: what a consumer knows of coordinators, from the messages that went to and fro over one inbox: whether
// there is one that assigns, when to say hello, and which assignment counts (docs/wire.md, "Assignments").
//
//             heard a newer assignment
//   kAsking --------------------------> kAssigned      kAsking:   hello was said, nobody has answered yet
//      |                                 |      ^      kAssigned: what was heard last holds
//      | returned, refused,              |      |      kSilent:   there is no coordinator; it is asked for one still
//      | or no answer for a while        | 15 s | heard anything
//      +----------------> kSilent <------+------+
//
// Messages and the passing of time are told by whoever does the I/O. Pure.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

#include "shardmgr/model/assignment.h"

namespace warren::control {

/// Between two hellos while a coordinator answers, and while none does.
inline constexpr std::chrono::milliseconds kHelloPause{10'000};
inline constexpr std::chrono::milliseconds kSearchPause{1'000};
/// Coordinators repeat themselves every 5 s: after this long without a word, one is looked for.
inline constexpr std::chrono::milliseconds kLateAfter{7'000};
/// After this long without a word there is no coordinator, and any assignment counts, however old its number is.
inline constexpr std::chrono::milliseconds kSilentAfter{15'000};
/// The first answer takes milliseconds; who waits for it consumes nothing yet.
inline constexpr std::chrono::milliseconds kFirstAnswer{2'000};
/// Between two hellos when coordinators listen and none has answered for kUnheardFor: none of them leads.
inline constexpr std::chrono::milliseconds kUnheardPause{5'000};
inline constexpr std::chrono::milliseconds kUnheardFor{60'000};
/// Each refusal is a line in the broker's log: the pause is doubled with each, up to the longest.
inline constexpr std::chrono::milliseconds kRefusedPause{15'000};
inline constexpr std::chrono::milliseconds kLongestRefusedPause{120'000};

class Dialogue {
 public:
  using Time = std::chrono::steady_clock::time_point;
  enum class State { kAsking, kAssigned, kSilent };

  /// Begins with the inbox: a hello is due.
  explicit Dialogue(Time now) : began_(now) {}

  State state() const { return state_; }
  /// Of the last assignment; 0: none yet. A coordinator that begins to lead begins above it.
  std::int64_t term() const { return last_ ? last_->term : 0; }

  /// When Advance has something to do next.
  Time next() const { return std::min(HelloAt(), SilentAt()); }

  struct Due {
    bool hello = false;        ///< Say it now, and tell of the outcome below.
    bool fell_silent = false;  ///< There is no coordinator (any more). Told once until one is heard again.
  };
  Due Advance(Time now);

  /// A hello came back: nobody listens. What follows from this, and from OnRefused, is due at once.
  void OnReturned() { nobody_ = true; }
  /// The broker let no hello through.
  void OnRefused(Time now);
  /// The broker reads nothing from who publishes (connection.blocked), from coordinators neither: their silence until
  /// now says nothing.
  void OnBlocked(Time now);
  /// Whether this assignment counts from now on. One with the number of the last is a sign of life alone; one with a
  /// smaller number is of a coordinator that another has taken over from, and not even that.
  bool OnAssignment(const AssignmentNumber& number, Time now);
  /// Something has changed that coordinators should hear of: the next hello comes soon.
  void Hurry() { hurry_ = true; }

 private:
  Time HelloAt() const;
  Time SilentAt() const;

  State state_ = State::kAsking;
  Time began_;
  std::optional<Time> said_;           ///< When the last hello was.
  std::optional<Time> heard_;          ///< When the last assignment came that was not of the past.
  std::optional<Time> refused_until_;  ///< No hello before.
  std::chrono::milliseconds refused_pause_ = kRefusedPause;
  std::optional<AssignmentNumber> last_;
  bool nobody_ = false;  ///< Since the last one was heard, a hello came back or was refused.
  bool hurry_ = false;
};

}  // namespace warren::control
