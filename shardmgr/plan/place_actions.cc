// See place_actions.h.
#include "shardmgr/plan/place_actions.h"

#include "shardmgr/plan/naming.h"

namespace warren {
namespace {

constexpr const char* kAlternateKey = "1";  // A weight; there is one binding but for moments.

std::string KeyOf(const Place& place) { return place.detour ? std::string(kDetourKey) : kAlternateKey; }

std::set<std::size_t> AllHops(const std::vector<Place>& places) {
  std::set<std::size_t> hops;
  for (const Place& place : places) {
    if (place.wanted) hops.insert(place.hops);
  }
  return hops;
}

}  // namespace

const Candidate* PlacePlanner::CandidateOf(const Place& place) const {
  for (const Candidate& candidate : context_.candidates) {
    if (candidate.shard.index == place.name.index && candidate.shard.queue == place.name.name) return &candidate;
  }
  return nullptr;
}

bool PlacePlanner::AddExchanges() {
  const std::size_t before = list_.size();
  for (const Place& place : context_.places) {
    if (!place.wanted) continue;
    const std::string& name = place.name.name;
    if (place.alternate == nullptr) {
      list_.AddAt(place.name.node, ActionKind::kDeclareShardExchange, AlternateName(name), name);
    }
    if (place.exchange == nullptr) list_.AddAt(place.name.node, ActionKind::kDeclareShardExchange, name, name);
  }
  return list_.size() > before;
}

/// Some wanted place gets all messages of the others; or there are none.
bool PlacePlanner::Settled() const {
  const auto& places = context_.places;
  const auto takes = [](const Place& place) { return place.wanted && place.takes; };
  const auto in_ring = [](const Place& place) { return place.wanted && !place.ring.empty(); };
  return std::any_of(places.begin(), places.end(), takes) || std::none_of(places.begin(), places.end(), in_ring);
}

void PlacePlanner::AddSubstitutes() {
  const bool settled = Settled();
  for (const std::size_t hops : AllHops(context_.places)) {
    const auto now = [&](const Place& place) {
      return place.wanted && place.return_to.empty() && place.hops == hops && (settled || place.onward.empty());
    };
    for (const Place& place : context_.places) {
      if (now(place)) AddSubstitute(place);
    }
    if (context_.limits.growth_only) continue;
    for (const Place& place : context_.places) {
      if (now(place)) AddUnbindsBut(place, place.substitute);
    }
  }
}

void PlacePlanner::AddSubstitute(const Place& place) {
  if (place.substitute.empty() || (context_.limits.growth_only && !place.onward.empty())) return;
  const auto leads = [&](const Binding* binding) { return binding->destination == place.substitute; };
  if (std::any_of(place.onward.begin(), place.onward.end(), leads)) return;
  list_.AddAt(place.name.node, ActionKind::kBindExchange, AlternateName(place.name.name), place.substitute,
              KeyOf(place));
}

void PlacePlanner::AddUnbindsBut(const Place& place, const std::string& substitute) {
  for (const Binding* binding : place.onward) {
    if (binding->destination != substitute && !list_.Unbinds(*binding)) list_.AddUnbind(place.name.node, *binding);
  }
}

void PlacePlanner::AddReturns() {
  for (Place& place : context_.places) {
    if (place.return_to.empty()) continue;
    place.substitute = std::exchange(place.return_to, {});
    place.detour = false;
    AddSubstitute(place);
    AddUnbindsBut(place, place.substitute);
  }
}

bool PlacePlanner::Release(const std::string& shard) {
  if (!chains_) chains_.emplace(context_.places);
  const auto place = chains_->Find(shard);
  if (!place) return Settled();  // Places that are wanted may still lead to it.
  std::vector<Chains::Index> ended;
  for (Chains::Index i = 0; i < context_.places.size(); ++i) {
    const bool ends = context_.places[i].wanted && !context_.places[i].ring.empty() && chains_->End(i);
    if (ends) ended.push_back(i);
  }
  chains_->Stop(*place);
  const auto ends = [&](Chains::Index i) { return chains_->End(i).has_value(); };
  if (std::all_of(ended.begin(), ended.end(), ends)) {
    Place& left = context_.places[*place];
    if (!std::exchange(left.return_to, {}).empty()) AddUnbindsBut(left, left.substitute);
    return true;
  }
  const auto other = chains_->LeastLoaded(*place);
  if (!other) {
    chains_->Go(*place);
    return false;
  }
  Lead(*place, *other);
  return true;
}

void PlacePlanner::Lead(Chains::Index from, Chains::Index to) {
  chains_->Lead(from, to);
  Place& place = context_.places[from];
  place.return_to.clear();
  Binding before;
  before.source = AlternateName(place.name.name);
  before.destination = place.substitute;
  before.routing_key = KeyOf(place);
  before.to_queue = false;
  const auto leads = [&](const std::string& name) {
    return std::any_of(place.onward.begin(), place.onward.end(), [&](const Binding* binding) {
      return binding->destination == name && !list_.Unbinds(*binding);
    });
  };
  const bool planned = !before.destination.empty() && !leads(before.destination);
  place.substitute = context_.places[to].name.name;
  place.detour = true;
  if (!leads(place.substitute)) {
    list_.AddAt(place.name.node, ActionKind::kBindExchange, before.source, place.substitute, KeyOf(place));
  }
  AddUnbindsBut(place, place.substitute);
  if (planned) list_.AddUnbind(place.name.node, before);
}

void PlacePlanner::AddUnbinds() {
  for (auto place = context_.places.rbegin(); place != context_.places.rend(); ++place) {
    if (place->wanted) continue;
    const Candidate* candidate = CandidateOf(*place);
    if (candidate != nullptr && candidate->Serves()) continue;
    for (const Binding* binding : place->ring) list_.AddUnbind(place->name.node, *binding);
  }
}

/// A queue that is down hides its binding, and with that the exchange cannot be deleted.
void PlacePlanner::AddDeletes() {
  if (!Settled()) return;
  std::vector<const Place*> unused;
  for (auto place = context_.places.rbegin(); place != context_.places.rend(); ++place) {
    if (place->wanted || !place->ring.empty()) continue;
    for (const Binding* binding : place->onward) list_.AddUnbind(place->name.node, *binding);
    const Candidate* candidate = CandidateOf(*place);
    const bool down = candidate != nullptr && candidate->down;
    if (place->feeds.empty() && place->onward.empty() && !place->used_by_others && !down) unused.push_back(&*place);
  }
  if (context_.limits.never_delete) return;
  for (const Place* place : unused) {
    for (const Exchange* exchange : {place->exchange, place->alternate}) {
      if (exchange == nullptr) continue;
      list_.AddAt(place->name.node, ActionKind::kDeleteShardExchange, exchange->name, place->name.name);
    }
  }
}

}  // namespace warren
