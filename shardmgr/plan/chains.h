// Where messages end along the substitutes, as things are now; internal to plan/.
//
// The circles of substitutes (substitutes.h) end at a living node as long as there is one, but a queue may be missing
// on a node that is up: it is rolled, stopped, or its node is drained. Where all of a circle are, it takes a detour:
// one of its places leads to another circle until one of its own takes messages again.
#pragma once

#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "shardmgr/plan/stream_planner.h"

namespace warren {

/// The wanted places of a stream and the substitute of each. `places` outlives it.
class Chains {
 public:
  using Index = std::size_t;  ///< In `places`.

  explicit Chains(const std::vector<Place>& places);

  std::optional<Index> Find(std::string_view name) const;
  /// Whose queue gets what is for it; nothing: none does.
  std::optional<Index> End(Index place) const;
  /// How many substitutes it goes along to there; more than there are places: it ends nowhere.
  std::size_t Hops(Index place) const;
  /// The places that its chain comes back to again and again, sorted.
  std::vector<Index> Circle(Index place) const;
  /// Of all that take messages, which gets those of the fewest places; rather on another node. Nothing: none is left.
  std::optional<Index> LeastLoaded(Index place) const;

  void Stop(Index place) { takes_[place] = false; }
  void Go(Index place) { takes_[place] = true; }
  void Lead(Index place, Index to) { next_[place] = to; }

 private:
  const std::vector<Place>& places_;
  std::map<std::string_view, Index> by_name_;
  std::vector<bool> takes_;
  std::vector<std::optional<Index>> next_;
};

/// Changes the substitutes of circles that end nowhere, one of each, as long as any place takes messages. Detours that
/// are there and lead somewhere are kept.
void AvoidDeadEnds(std::vector<Place>& places);

}  // namespace warren
