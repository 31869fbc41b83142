// PlacePlanner: what is to be done about the places of a stream with stable placement, and about what is left of them
// where it is stable no more. Part of actions.cc, which decides when. Internal to plan/.
#pragma once

#include <optional>

#include "shardmgr/plan/action_list.h"
#include "shardmgr/plan/chains.h"

namespace warren {

class PlacePlanner {
 public:
  PlacePlanner(StreamContext& context, ActionList& list) : context_(context), list_(list) {}

  /// Declares what is missing; whether anything was.
  bool AddExchanges();
  /// Each alternate exchange to its substitute. One that is to lead elsewhere is bound there before it is unbound, so
  /// that a message finds one of the two at every moment, and never both; those next to a shard that takes messages
  /// before those that lead to them. As long as none that is wanted does, what is there stays: it may lead to one that
  /// is still to go.
  void AddSubstitutes();
  /// Before the queue of `shard` is taken from its place: leads that elsewhere if messages would end nowhere. False:
  /// there is nowhere else, and the queue has to stay.
  bool Release(const std::string& shard);
  /// From detours that are needed no longer to the substitutes chosen; last, when it is known what leaves.
  void AddReturns();
  /// Out of the ring, highest index first: places that nobody wants and through which nothing is served.
  void AddUnbinds();
  /// What is left of places out of the ring: their exchanges.
  void AddDeletes();

 private:
  const Candidate* CandidateOf(const Place& place) const;
  bool Settled() const;
  void AddSubstitute(const Place& place);
  void AddUnbindsBut(const Place& place, const std::string& substitute);
  void Lead(Chains::Index from, Chains::Index to);

  StreamContext& context_;
  ActionList& list_;
  std::optional<Chains> chains_;  ///< As they are once the actions so far are carried out.
};

}  // namespace warren
