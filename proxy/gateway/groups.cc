// See groups.h. Streams that something has changed for are worked out anew, whole.
#include "proxy/gateway/groups.h"

#include <algorithm>

namespace warren::gateway {
namespace {

/// Whether somebody has to consume it: messages come, or are left, or may be.
bool NeedsConsumer(const SeenShard& shard) { return shard.up && (shard.in_service || shard.messages.value_or(1) > 0); }

}  // namespace

bool Groups::Join(MemberId id, Member member, Time now) {
  GroupKey key{member.upstream, std::move(member.vhost), std::move(member.exchange)};
  Group& group = members_[{key.vhost, key.exchange}].groups[key.upstream];
  const bool first = group.seats.empty();
  group.seats[id] = {.exclusive = member.exclusive, .joined = now, .part = {}, .named = {}};
  waiting_[id] = now + (member.exclusive ? kExclusiveAnswer : kFirstAnswer);
  MarkDirty(key);
  where_.emplace(id, std::move(key));
  return first;
}

std::optional<GroupKey> Groups::Leave(MemberId id) {
  const auto found = where_.find(id);
  if (found == where_.end()) return std::nullopt;
  const GroupKey key = std::move(found->second);
  where_.erase(found);
  waiting_.erase(id);
  const auto stream = members_.find({key.vhost, key.exchange});
  const auto group = stream->second.groups.find(key.upstream);
  group->second.seats.erase(id);
  MarkDirty(key);
  if (!group->second.seats.empty()) return std::nullopt;
  stream->second.groups.erase(group);
  if (stream->second.groups.empty()) members_.erase(stream);
  return key;
}

std::optional<GroupKey> Groups::Lost(MemberId id, const std::string& queue) {
  const auto found = where_.find(id);
  if (found == where_.end()) return std::nullopt;
  Seat& seat = FindGroup(found->second)->seats.at(id);
  seat.named.erase(queue);
  seat.lost = true;
  MarkDirty(found->second);
  return found->second;
}

std::vector<GroupKey> Groups::Gone(const std::string& vhost, const std::string& exchange, const std::string& queue) {
  const auto stream = members_.find({vhost, exchange});
  if (stream == members_.end()) return {};
  std::vector<GroupKey> keys;
  for (auto& [upstream, group] : stream->second.groups) {
    for (auto& [id, seat] : group.seats) seat.lost |= seat.named.erase(queue) > 0;
    keys.push_back({upstream, vhost, exchange});
  }
  dirty_.insert(stream->first);
  return keys;
}

void Groups::Doubt(const std::string& node, bool gone, const std::function<bool(std::size_t upstream)>& asks) {
  for (auto& [name, stream] : members_) {
    const SeenStream* seen = streams_ ? streams_->OfExchange(name.first, name.second) : nullptr;
    if (seen == nullptr) continue;
    for (auto& [upstream, group] : stream.groups) {
      if (!asks(upstream)) continue;
      for (const SeenShard& shard : seen->shards) {
        if (!node.empty() && shard.node != node) continue;
        for (auto& [id, seat] : group.seats) {
          if (!gone && seat.named.contains(shard.queue)) group.doubted.insert(shard.queue);
          if (gone && !seat.exclusive) seat.lost |= seat.named.erase(shard.queue) > 0;
        }
      }
    }
    dirty_.insert(name);
  }
}

void Groups::SetStreams(std::shared_ptr<const StreamMap> streams) {
  before_ = std::exchange(streams_, std::move(streams));
  for (const auto& [name, stream] : members_) dirty_.insert(name);
}

void Groups::SetNode(std::size_t upstream, const std::string& node) {
  if (std::exchange(nodes_[upstream], node) == node) return;
  for (const auto& [name, stream] : members_) dirty_.insert(name);
}

void Groups::Assign(const GroupKey& key, const std::vector<std::string>& queues,
                    const std::vector<std::string>& local) {
  Group* group = FindGroup(key);
  if (group == nullptr) return;
  group->source = Group::Source::kCoordinator;
  group->assigned.clear();
  for (const std::string& queue : queues) group->assigned.emplace(queue, false);
  for (const std::string& queue : local) {
    if (const auto found = group->assigned.find(queue); found != group->assigned.end()) found->second = true;
  }
  MarkDirty(key);
}

void Groups::FallSilent(const GroupKey& key) {
  Group* group = FindGroup(key);
  if (group == nullptr) return;
  group->source = Group::Source::kOwn;
  // What was assigned of other nodes is kept until somebody here is closer to it.
  for (const auto& [queue, local] : group->assigned) {
    if (!local) group->borrowed.insert(queue);
  }
  group->assigned.clear();
  MarkDirty(key);
}

void Groups::Touch(const GroupKey& key) { MarkDirty(key); }

Groups::Group* Groups::FindGroup(const GroupKey& key) {
  return const_cast<Group*>(std::as_const(*this).FindGroup(key));
}

const Groups::Group* Groups::FindGroup(const GroupKey& key) const {
  const auto stream = members_.find({key.vhost, key.exchange});
  if (stream == members_.end()) return nullptr;
  const auto group = stream->second.groups.find(key.upstream);
  return group == stream->second.groups.end() ? nullptr : &group->second;
}

bool Groups::IsHere(std::size_t upstream, const std::string& node) const {
  const auto found = nodes_.find(upstream);
  return !node.empty() && found != nodes_.end() && found->second == node;
}

// Counts are old by some seconds: one look may have come before a consumer, two in a row say more. Consumers of
// members here are among them.
bool Groups::HasNoConsumer(const SeenStream& seen, const SeenShard& shard) const {
  if (shard.consumers != 0u || !before_) return false;
  const SeenStream* before = before_->OfExchange(seen.vhost, seen.exchange);
  const SeenShard* then = before == nullptr ? nullptr : before->Find(shard.queue);
  return then != nullptr && then->consumers == 0u;
}

bool Groups::IsCovered(const Stream& stream, const SeenShard& shard) const {
  return std::any_of(stream.groups.begin(), stream.groups.end(),
                     [&](const auto& group) { return IsHere(group.first, shard.node); });
}

// Who has borrowed a shard keeps it until a group at its node takes over. Those that are told what to do take no part,
// but what they were told counts.
void Groups::Borrow(Stream& stream, const SeenStream& seen) const {
  Group* taker = nullptr;
  std::set<std::string> held;
  for (auto& [upstream, group] : stream.groups) {
    if (group.source == Group::Source::kCoordinator) group.borrowed.clear();
    if (group.source == Group::Source::kOwn && taker == nullptr) taker = &group;
    std::erase_if(group.borrowed, [&](const std::string& queue) {
      const SeenShard* shard = seen.Find(queue);
      return shard == nullptr || !NeedsConsumer(*shard) || IsCovered(stream, *shard);
    });
    for (const auto& [queue, local] : group.assigned) held.insert(queue);
    for (const auto& [id, seat] : group.seats) held.insert(seat.named.begin(), seat.named.end());
    held.insert(group.borrowed.begin(), group.borrowed.end());
  }
  if (taker == nullptr) return;
  for (const SeenShard& shard : seen.shards) {
    if (!NeedsConsumer(shard) || held.contains(shard.queue) || !HasNoConsumer(seen, shard)) continue;
    if (!IsCovered(stream, shard)) taker->borrowed.insert(shard.queue);
  }
}

std::vector<DueShard> Groups::DueOf(std::size_t upstream, const Group& group, const SeenStream& seen) const {
  std::vector<DueShard> due;
  for (const SeenShard& shard : seen.shards) {
    if (group.source == Group::Source::kCoordinator) {
      const auto assigned = group.assigned.find(shard.queue);
      if (shard.up && assigned != group.assigned.end()) due.push_back({shard.queue, assigned->second});
    } else if (NeedsConsumer(shard)) {
      const bool local = IsHere(upstream, shard.node);
      if (local || group.borrowed.contains(shard.queue)) due.push_back({shard.queue, local});
    }
  }
  return due;
}

void Groups::SetParts(std::size_t upstream, Group& group, const SeenStream& seen) const {
  std::vector<Sharer> sharers;
  std::vector<Seat*> seats;
  for (auto& [id, seat] : group.seats) {
    if (seat.exclusive) {
      seat.part.clear();
      for (const SeenShard& shard : seen.shards) {
        if (shard.up) seat.part.push_back(shard.queue);
      }
    } else {
      sharers.push_back({id, std::move(seat.part)});
      seats.push_back(&seat);
    }
  }
  auto parts = ShareOut(DueOf(upstream, group, seen), sharers, mode_);
  for (std::size_t i = 0; i < seats.size(); ++i) seats[i]->part = std::move(parts[i]);
}

void Groups::UpdateSeat(const GroupKey& key, const Group& group, MemberId id, Seat& seat, bool known, Time now,
                        const Ask& ask, std::vector<Answer>& answers) {
  std::set<std::string> named;
  bool settled = !seat.part.empty() || group.source != Group::Source::kAsking || !known;
  bool asking = false;
  for (const std::string& queue : seat.part) {
    Presence presence = Presence::kThere;
    if (!seat.named.contains(queue)) {
      presence = ask(key, queue);
    } else if (group.doubted.contains(queue) && ask(key, queue) == Presence::kMissing) {
      presence = Presence::kMissing;
    }
    if (presence == Presence::kThere) named.insert(queue);
    const bool needed = seat.exclusive && !seat.answered;
    asking = asking || presence == Presence::kUnknown || (needed && presence == Presence::kMissing);
  }
  settled = settled && !asking;
  if (!seat.answered && !settled && now < seat.joined + (seat.exclusive ? kExclusiveAnswer : kFirstAnswer)) return;
  // What comes is told at once, and not one by one; what goes, without delay.
  const bool only_grows = std::includes(named.begin(), named.end(), seat.named.begin(), seat.named.end());
  if (seat.answered && asking && only_grows && !seat.lost && known == seat.known) return;
  if (seat.answered && !seat.lost && named == seat.named && known == seat.known) return;
  seat.answered = true;
  seat.lost = false;
  seat.known = known;
  seat.named = std::move(named);
  waiting_.erase(id);
  answers.push_back({id, {seat.named.begin(), seat.named.end()}, known});
}

std::vector<Groups::Answer> Groups::Update(Time now, const Ask& ask) {
  std::vector<Answer> answers;
  for (const auto& [id, until] : waiting_) {
    if (until <= now) MarkDirty(where_.at(id));
  }
  for (const StreamName& name : std::exchange(dirty_, {})) {
    const auto found = members_.find(name);
    if (found == members_.end()) continue;
    Stream& stream = found->second;
    const SeenStream* seen = streams_ ? streams_->OfExchange(name.first, name.second) : nullptr;
    if (seen != nullptr) Borrow(stream, *seen);
    for (auto& [upstream, group] : stream.groups) {
      if (seen != nullptr) SetParts(upstream, group, *seen);
      const GroupKey key{upstream, name.first, name.second};
      for (auto& [id, seat] : group.seats) {
        if (seen == nullptr) seat.part.clear();
        UpdateSeat(key, group, id, seat, seen != nullptr, now, ask, answers);
      }
      std::erase_if(group.doubted, [&](const auto& queue) { return ask(key, queue) != Presence::kUnknown; });
    }
  }
  return answers;
}

std::optional<Groups::Time> Groups::next() const {
  std::optional<Time> first;
  for (const auto& [id, until] : waiting_) first = std::min(first.value_or(until), until);
  return first;
}

std::pair<std::size_t, std::size_t> Groups::CountSources() const {
  std::size_t assigned = 0, others = 0;
  for (const auto& [name, stream] : members_) {
    for (const auto& [upstream, group] : stream.groups) {
      ++(group.source == Group::Source::kCoordinator ? assigned : others);
    }
  }
  return {assigned, others};
}

std::vector<std::string> Groups::Holds(const GroupKey& key) const {
  std::set<std::string> holds;
  if (const Group* group = FindGroup(key)) {
    for (const auto& [id, seat] : group->seats) holds.insert(seat.named.begin(), seat.named.end());
  }
  return {holds.begin(), holds.end()};
}

std::vector<GroupKey> Groups::keys() const {
  std::vector<GroupKey> keys;
  for (const auto& [name, stream] : members_) {
    for (const auto& [upstream, group] : stream.groups) keys.push_back({upstream, name.first, name.second});
  }
  return keys;
}

}  // namespace warren::gateway
