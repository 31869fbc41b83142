// Subscriptions: the upstream consumers that together are one consumer of a stream, and how the client's prefetch is
// split over them. The broker counts prefetch for each consumer, so six shards with P each would have 6 P messages in
// the client's hands. Here the sum over all of them, messages that a cancelled one left unacknowledged included, stays
// at most P:
//
//   P = 0, or no acknowledgements   every shard, without a limit
//   P >= shards                     every shard, P divided among them
//   P < shards                      P of them at a time with one each; those that are idle make room for the next,
//                                   those that are busy after kTurn
//   exclusive                       every shard, P divided among them, at least one each
//
//      Opened           consume-ok          Close: basic.cancel sent          cancel-ok
//   --------> kOpening ------------> kLive ----------------------> kClosing ------------> kRetired --> gone once all
//                                                                                      that it left is acknowledged
//
// Decides what to open and close, and leaves the frames to its owner. Pure; time comes in as an argument.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace warren::gateway {

/// A rotating subscription gives way after this long without a message, at first; the pause doubles as long as nothing
/// is found, until a whole round takes kLongestRound.
inline constexpr std::chrono::milliseconds kFirstPause{50};
inline constexpr std::chrono::milliseconds kLongestRound{2'000};
/// A rotating subscription that has messages all the time gives way after this.
inline constexpr std::chrono::milliseconds kTurn{1'000};
/// A shard that the broker took away is not asked for again by lists that are older than that.
inline constexpr std::chrono::milliseconds kLostPause{1'000};

class Subscriptions {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Number = std::uint32_t;  ///< Of a subscription; never used again.

  /// `prefetch` 0: no limit. `whole`: all shards or none are of use, so every one is kept open whatever the prefetch;
  /// the sum is more than it when there are more shards.
  explicit Subscriptions(std::uint32_t prefetch, bool whole = false) : prefetch_(prefetch), whole_(whole) {}

  /// The queues to consume, in the order in which they are to be opened.
  void Want(const std::vector<std::string>& queues, Time now);

  struct Open {
    Number number = 0;
    std::string queue;
    std::uint16_t prefetch = 0;
  };
  struct Steps {
    std::vector<Open> open;
    std::vector<Number> close;
  };
  /// What to do now. Each step is taken by the caller: what is in `open` counts as opening, what is in `close` as
  /// closing.
  Steps Plan(Time now);
  /// All that are to be closed because the consumer ends; nothing is opened any more.
  std::vector<Number> CloseAll();

  void OnOpened(Number number);
  void OnClosed(Number number);  ///< cancel-ok
  /// The broker ended it; its queue, which is not opened again until Want says so anew.
  std::string OnLost(Number number, Time now);
  void OnDelivered(Number number, Time now);
  void OnSettled(Number number);  ///< One delivery of it was acknowledged or given back.

  /// Whether deliveries have to be told: there is a limit.
  bool limited() const { return prefetch_ != 0; }
  /// Plan may have something to do: what it depends on has changed since.
  bool dirty() const { return dirty_; }
  void Wake() { dirty_ = true; }
  /// When Plan has to be called though nothing happens; nothing: never.
  std::optional<Time> next() const;

  /// It was closed, and the broker has not said so yet.
  bool IsClosing(Number number) const;
  /// None is opening, live or closing.
  bool idle() const;
  /// None of those that were opened waits for its consume-ok.
  bool all_opened() const { return opening_ == 0; }
  /// The queues as Want was told; and those of them that wait for their consume-ok.
  const std::vector<std::string>& wanted() const { return wanted_; }
  std::vector<std::string> Opening() const;
  std::size_t size() const { return held_.size(); }

 private:
  enum class State { kOpening, kLive, kClosing, kRetired };
  struct Held {
    std::string queue;
    State state = State::kOpening;
    std::uint32_t share = 0;
    std::uint32_t outstanding = 0;  ///< Deliveries that are not acknowledged.
    Time since{};                   ///< When it was opened.
    Time heard{};                   ///< When it was opened or delivered last.

    bool active() const { return state == State::kOpening || state == State::kLive; }
    std::uint32_t used() const { return state == State::kRetired ? outstanding : std::max(share, outstanding); }
  };
  using HeldMap = std::map<Number, Held>;

  bool rotating() const { return limited() && !whole_ && wanted_.size() > prefetch_; }
  std::uint32_t TargetOf(std::size_t index) const;
  std::uint32_t Budget() const;
  HeldMap::iterator HolderOf(const std::string& queue);
  bool Awaiting(std::string_view queue) const;  ///< It is being closed, and may be opened after that.
  bool Free(const std::string& queue) { return HolderOf(queue) == held_.end() && !lost_.contains(queue); }
  void CloseUnwanted(Steps& steps);
  void OpenMissing(Steps& steps, Time now);
  void OpenNext(Steps& steps, Time now);
  void MakeRoom(Steps& steps);
  void Grow(Steps& steps);
  void Rotate(Steps& steps, Time now);
  bool GivesWay(const Held& held, Time now) const;
  void StartClosing(HeldMap::value_type& held, Steps& steps);
  void StartOpening(const std::string& queue, std::uint32_t share, Steps& steps, Time now);
  void Forget(HeldMap::iterator held);
  std::chrono::milliseconds LongestPause() const;

  std::uint32_t prefetch_;
  bool whole_;
  std::vector<std::string> wanted_;
  std::unordered_set<std::string> wanted_names_;
  std::map<std::string, Time, std::less<>> lost_;  ///< Queues that no list is believed about, until a time.
  HeldMap held_;
  std::unordered_map<std::string, Number> active_;  ///< Those opening or live, by queue: a stream may have thousands.
  std::size_t opening_ = 0;
  Number last_number_ = 0;
  std::size_t cursor_ = 0;  ///< Of wanted_: what is opened next when rotating.
  std::chrono::milliseconds pause_ = kFirstPause;
  std::size_t fruitless_ = 0;  ///< Turns in a row that brought nothing.
  bool dirty_ = true;
};

}  // namespace warren::gateway
