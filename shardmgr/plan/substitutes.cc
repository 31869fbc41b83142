// Greedy: what is there and right stays, the rest is chosen one after the other. Where that leads nowhere all are
// chosen anew, without a look at what is there, so that the answer to an answer is the same.
#include "shardmgr/plan/substitutes.h"

#include <algorithm>
#include <optional>
#include <set>
#include <tuple>

namespace warren {
namespace {

using Index = std::size_t;

class Chooser {
 public:
  explicit Chooser(const std::vector<PlaceName>& places) : places_(places) {
    std::set<std::string> names;
    for (const PlaceName& place : places) names.insert(place.node);
    nodes_.assign(names.begin(), names.end());
    of_node_.resize(nodes_.size());
    for (Index i = 0; i < places.size(); ++i) {
      const auto at = std::lower_bound(nodes_.begin(), nodes_.end(), places[i].node);
      node_of_.push_back(static_cast<Index>(at - nodes_.begin()));
      of_node_[node_of_.back()].push_back(i);
    }
    Clear();
  }

  void Clear() {
    chosen_.assign(places_.size(), std::nullopt);
    load_.assign(places_.size(), 0);
    spread_.assign(nodes_.size(), std::vector<Index>(nodes_.size(), 0));
    taken_.assign(nodes_.size(), {});
  }

  bool has(Index place) const { return chosen_[place].has_value(); }
  Index of(Index place) const { return *chosen_[place]; }

  bool Right(Index place, Index target) const {
    const Index node = node_of_[place];
    const Index other = node_of_[target];
    if (target == place) return false;
    if (nodes_.size() == 1) return true;
    return node != other && KeepsTheSpread(node, other) && IsFresh(node, target) && !ClosesShortCircle(place, target);
  }

  void Choose(Index place, Index target) {
    chosen_[place] = target;
    ++load_[target];
    ++spread_[node_of_[place]][node_of_[target]];
    taken_[node_of_[place]].insert(target);
  }

  /// The best of those that are right; if there is none and `any`, the best of all others.
  std::optional<Index> Best(Index place, bool any) const {
    std::optional<Index> best;
    for (const Index node : NodesByMerit(place)) {
      std::vector<Index> targets = of_node_[node];
      std::sort(targets.begin(), targets.end(), [&](Index a, Index b) { return Merit(place, a) < Merit(place, b); });
      for (const Index target : targets) {
        if (Right(place, target)) return target;
        if (any && !best && target != place) best = target;
      }
    }
    return best;
  }

 private:
  /// The number that each other node gets of this one's substitutes differs by one at most.
  bool KeepsTheSpread(Index node, Index other) const {
    const Index others = nodes_.size() - 1;
    const Index least = of_node_[node].size() / others;
    const Index extra = of_node_[node].size() % others;
    const Index has = spread_[node][other];
    if (has < least) return true;
    if (has > least) return false;
    const auto above = std::count_if(spread_[node].begin(), spread_[node].end(), [&](Index n) { return n > least; });
    return static_cast<Index>(above) < extra;
  }

  /// Not yet that of another shard of the node, unless all of the target's node are.
  bool IsFresh(Index node, Index target) const {
    if (!taken_[node].contains(target)) return true;
    const auto& all = of_node_[node_of_[target]];
    return spread_[node][node_of_[target]] >= all.size();
  }

  /// Whether the chain from `target` on comes back to `place` without having been on every node.
  bool ClosesShortCircle(Index place, Index target) const {
    std::set<Index> nodes;
    std::vector<bool> seen(places_.size());
    for (Index at = target; !seen[at]; at = *chosen_[at]) {
      seen[at] = true;
      nodes.insert(node_of_[at]);
      if (at == place) return nodes.size() < nodes_.size();
      if (!chosen_[at]) return false;
    }
    return false;
  }

  Index Distance(Index from, Index to) const { return (to + nodes_.size() - from - 1) % nodes_.size(); }

  std::vector<Index> NodesByMerit(Index place) const {
    const Index node = node_of_[place];
    std::vector<Index> nodes;
    for (Index other = 0; other < nodes_.size(); ++other) {
      if (other != node || nodes_.size() == 1) nodes.push_back(other);
    }
    const auto merit = [&](Index other) {
      return std::tuple(spread_[node][other], Load(other), Distance(node, other));
    };
    std::sort(nodes.begin(), nodes.end(), [&](Index a, Index b) { return merit(a) < merit(b); });
    return nodes;
  }

  std::tuple<Index, int, Index> Merit(Index place, Index target) const {
    const int apart = places_[target].index - places_[place].index;
    return {load_[target], apart < 0 ? -apart : apart, target};
  }

  Index Load(Index node) const {
    Index load = 0;
    for (const Index place : of_node_[node]) load += load_[place];
    return load;
  }

  const std::vector<PlaceName>& places_;
  std::vector<std::string> nodes_;
  std::vector<Index> node_of_;
  std::vector<std::vector<Index>> of_node_;
  std::vector<std::optional<Index>> chosen_;
  std::vector<Index> load_;                 ///< How many places it stands in for.
  std::vector<std::vector<Index>> spread_;  ///< Of a node's shards, how many have their substitute on another.
  std::vector<std::set<Index>> taken_;      ///< Substitutes of a node's shards.
};

/// False: some place is left without one that is right.
bool Complete(Chooser& chooser, std::size_t places, bool any) {
  for (Index place = 0; place < places; ++place) {
    if (chooser.has(place)) continue;
    const auto best = chooser.Best(place, any);
    if (!best) return false;
    chooser.Choose(place, *best);
  }
  return true;
}

}  // namespace

std::map<std::string, std::string> ChooseSubstitutes(const std::vector<PlaceName>& places,
                                                     const std::map<std::string, std::vector<std::string>>& now) {
  if (places.size() < 2) return {};
  std::map<std::string_view, Index> by_name;
  for (Index i = 0; i < places.size(); ++i) by_name.emplace(places[i].name, i);
  Chooser chooser(places);
  for (Index place = 0; place < places.size(); ++place) {
    const auto has = now.find(places[place].name);
    if (has == now.end()) continue;
    for (const std::string& name : has->second) {
      const auto target = by_name.find(name);
      if (chooser.has(place) || target == by_name.end() || !chooser.Right(place, target->second)) continue;
      chooser.Choose(place, target->second);
    }
  }
  if (!Complete(chooser, places.size(), false)) {
    chooser.Clear();
    (void)Complete(chooser, places.size(), true);
  }
  std::map<std::string, std::string> substitutes;
  for (Index place = 0; place < places.size(); ++place) {
    substitutes.emplace(places[place].name, places[chooser.of(place)].name);
  }
  return substitutes;
}

}  // namespace warren
