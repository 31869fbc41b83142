// See chains.h. Costs a walk along the chain for each place: the places squared at the worst, and one step each as long
// as all take messages.
#include "shardmgr/plan/chains.h"

#include <algorithm>
#include <tuple>

namespace warren {

Chains::Chains(const std::vector<Place>& places)
    : places_(places), takes_(places.size(), false), next_(places.size(), std::nullopt) {
  for (Index i = 0; i < places.size(); ++i) {
    if (places[i].wanted) by_name_.emplace(places[i].name.name, i);
  }
  for (const auto& [unused, i] : by_name_) {
    takes_[i] = places[i].takes;
    next_[i] = Find(places[i].substitute);
  }
}

std::optional<Chains::Index> Chains::Find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<Chains::Index> Chains::End(Index place) const {
  std::optional<Index> at = place;
  for (std::size_t hops = 0; at && hops <= by_name_.size(); ++hops) {
    if (takes_[*at]) return at;
    at = next_[*at];
  }
  return std::nullopt;
}

std::size_t Chains::Hops(Index place) const {
  std::optional<Index> at = place;
  std::size_t hops = 0;
  while (at && hops <= by_name_.size() && !takes_[*at]) {
    at = next_[*at];
    ++hops;
  }
  return at ? hops : by_name_.size() + 1;
}

std::vector<Chains::Index> Chains::Circle(Index place) const {
  std::vector<Index> chain;
  for (std::optional<Index> at = place; at; at = next_[*at]) {
    const auto seen = std::find(chain.begin(), chain.end(), *at);
    if (seen != chain.end()) {
      chain.erase(chain.begin(), seen);
      break;
    }
    chain.push_back(*at);
  }
  std::sort(chain.begin(), chain.end());
  return chain;
}

std::optional<Chains::Index> Chains::LeastLoaded(Index place) const {
  std::map<Index, std::size_t> load;
  for (const auto& [unused, i] : by_name_) {
    if (takes_[i]) load.emplace(i, 0);
  }
  for (const auto& [unused, i] : by_name_) {
    if (const auto end = End(i)) ++load[*end];
  }
  const auto merit = [&](const auto& of) {
    return std::tuple(of.second, places_[of.first].name.node == places_[place].name.node, of.first);
  };
  const auto best =
      std::min_element(load.begin(), load.end(), [&](const auto& a, const auto& b) { return merit(a) < merit(b); });
  return best == load.end() ? std::nullopt : std::optional(best->first);
}

namespace {

/// A place of the circle that leads out of it already, and where to.
std::optional<std::pair<Chains::Index, Chains::Index>> WayOut(const Chains& chains, const std::vector<Place>& places,
                                                              const std::vector<Chains::Index>& circle) {
  for (const Chains::Index place : circle) {
    for (const Binding* binding : places[place].onward) {
      const auto to = chains.Find(binding->destination);
      if (to && chains.End(*to)) return std::pair(place, *to);
    }
  }
  return std::nullopt;
}

/// It may have been laid for a shard that is still to leave: a plan cut short. What leaves first and then the rest goes
/// back to those chosen.
void KeepDetours(Chains& chains, std::vector<Place>& places) {
  for (Chains::Index i = 0; i < places.size(); ++i) {
    Place& place = places[i];
    if (!place.wanted || !place.takes) continue;
    for (const Binding* binding : place.onward) {
      const auto to = chains.Find(binding->destination);
      if (binding->routing_key != kDetourKey || !to || binding->destination == place.substitute) continue;
      place.return_to = place.substitute;
      place.substitute = binding->destination;
      place.detour = true;
      chains.Lead(i, *to);
      break;
    }
  }
}

}  // namespace

void AvoidDeadEnds(std::vector<Place>& places) {
  Chains chains(places);
  KeepDetours(chains, places);
  for (Chains::Index i = 0; i < places.size(); ++i) {
    if (!places[i].wanted || chains.End(i)) continue;
    const auto circle = chains.Circle(i);
    auto way = WayOut(chains, places, circle);
    const auto other = way ? std::nullopt : chains.LeastLoaded(circle.front());
    if (other) way = std::pair(circle.front(), *other);
    if (!way) continue;
    chains.Lead(way->first, way->second);
    places[way->first].substitute = places[way->second].name.name;
    places[way->first].detour = true;
  }
  for (Chains::Index i = 0; i < places.size(); ++i) places[i].hops = chains.Hops(i);
}

}  // namespace warren
