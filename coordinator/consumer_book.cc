// See consumer_book.h.
#include "coordinator/consumer_book.h"

#include <algorithm>

namespace warren::coordinator {

ConsumerBook::Heard ConsumerBook::Hear(const std::string& vhost, const std::string& inbox, Hello hello,
                                       std::int64_t now_ms) {
  const Place place{{vhost, hello.exchange}, hello.instance};
  const InboxName name{vhost, inbox};
  auto group = groups_.find(place.first);
  const bool known = group != groups_.end() && group->second.contains(hello.instance);
  if (!known && !HasRoom(vhost, {1, 0})) {
    refused_[vhost] = now_ms;
    return Heard::kRefused;
  }
  if (group == groups_.end()) group = groups_.try_emplace(place.first).first;
  BookedConsumer& consumer = group->second[hello.instance];
  bool news = !known;
  if (!known) {
    ++size_.consumers;
    ++size_of_[vhost].consumers;
    consumer.since_ms = now_ms;
  }
  if (consumer.inbox != inbox) {
    news = true;
    if (known) LeaveInbox(place, {vhost, consumer.inbox});
    consumer.inbox = inbox;
    const auto [found, first] = inboxes_.try_emplace(name);
    found->second.consumers.insert(place);
    consumer.node = found->second.node;
    if (first) Queue(name, found->second, now_ms);
  }
  std::sort(hello.holds.begin(), hello.holds.end());
  if (consumer.holds != hello.holds) {
    for (Size* size : {&size_, &size_of_[vhost]}) size->held -= consumer.holds.size();
    if (!HasRoom(vhost, {0, hello.holds.size()})) hello.holds.clear();
    for (Size* size : {&size_, &size_of_[vhost]}) size->held += hello.holds.size();
    news = news || consumer.holds != hello.holds;
    consumer.holds = std::move(hello.holds);
  }
  consumer.kind = std::move(hello.kind);
  consumer.last_seen_ms = consumer.silent_since_ms = now_ms;
  consumer.waits = true;
  return news ? Heard::kNew : Heard::kSame;
}

std::vector<std::string> ConsumerBook::Crowded(std::int64_t now_ms) {
  std::erase_if(refused_, [&](const auto& entry) { return now_ms - entry.second > kRefusedMs; });
  std::vector<std::string> vhosts;
  for (const auto& [vhost, at_ms] : refused_) vhosts.push_back(vhost);
  return vhosts;
}

bool ConsumerBook::Bye(const std::string& vhost, const std::string& inbox, const Hello& bye) {
  const Place place{{vhost, bye.exchange}, bye.instance};
  const auto group = groups_.find(place.first);
  if (group == groups_.end()) return false;
  const auto found = group->second.find(bye.instance);
  if (found == group->second.end() || found->second.inbox != inbox) return false;
  Erase(place);
  return true;
}

ConsumerBook::Streams ConsumerBook::Remove(const InboxName& inbox) {
  Streams streams;
  const auto found = inboxes_.find(inbox);
  if (found == inboxes_.end()) return streams;
  for (const Place& place : std::set<Place>(found->second.consumers)) {
    ++streams[place.first];
    Erase(place);
  }
  return streams;
}

ConsumerBook::Streams ConsumerBook::Expire(std::int64_t now_ms, const std::function<bool(const std::string&)>& hears) {
  std::vector<Place> silent;
  for (const auto& [stream, group] : groups_) {
    if (!hears(stream.vhost)) continue;
    for (const auto& [instance, consumer] : group) {
      if (now_ms - consumer.silent_since_ms > kSilenceMs) silent.emplace_back(stream, instance);
    }
  }
  Streams streams;
  for (const Place& place : silent) {
    ++streams[place.first];
    Erase(place);
  }
  return streams;
}

ConsumerBook::Streams ConsumerBook::RemoveVhost(const std::string& vhost) {
  refused_.erase(vhost);
  std::vector<Place> gone;
  for (const auto& [stream, group] : groups_) {
    if (stream.vhost != vhost) continue;
    for (const auto& [instance, consumer] : group) gone.emplace_back(stream, instance);
  }
  Streams streams;
  for (const Place& place : gone) {
    ++streams[place.first];
    Erase(place);
  }
  return streams;
}

ConsumerBook::Streams ConsumerBook::Locate(const InboxName& inbox, const std::string& node) {
  Streams streams;
  const auto found = inboxes_.find(inbox);
  if (found == inboxes_.end()) return streams;
  found->second.node = node;
  if (const auto turn = std::exchange(found->second.turn, std::nullopt)) unknown_.erase(*turn);
  for (const auto& [stream, instance] : found->second.consumers) {
    groups_[stream][instance].node = node;
    ++streams[stream];
  }
  return streams;
}

std::int64_t ConsumerBook::LastSeenMs(const StreamName& stream, const std::string& instance) const {
  const auto group = groups_.find(stream);
  if (group == groups_.end()) return 0;
  const auto found = group->second.find(instance);
  return found == group->second.end() ? 0 : found->second.last_seen_ms;
}

void ConsumerBook::Forgive(const std::string& vhost, std::int64_t now_ms) {
  for (auto& [stream, group] : groups_) {
    if (stream.vhost != vhost) continue;
    for (auto& [instance, consumer] : group) consumer.silent_since_ms = now_ms;
  }
}

std::optional<InboxName> ConsumerBook::NextUnknown(std::int64_t now_ms) {
  if (unknown_.empty() || unknown_.begin()->first.first > now_ms) return std::nullopt;
  InboxName next = std::move(unknown_.extract(unknown_.begin()).mapped());
  inboxes_.at(next).turn.reset();
  return next;
}

void ConsumerBook::Postpone(const InboxName& inbox, std::int64_t now_ms) {
  const auto found = inboxes_.find(inbox);
  if (found == inboxes_.end() || found->second.turn || !found->second.node.empty()) return;
  Queue(inbox, found->second, now_ms + found->second.pause_ms);
  found->second.pause_ms = std::min(found->second.pause_ms * 2, kLongestAskAgainMs);
}

bool ConsumerBook::HasRoom(const std::string& vhost, Size more) const {
  const auto found = size_of_.find(vhost);
  const Size here = found == size_of_.end() ? Size{} : found->second;
  const auto fits = [&](const Size& now, const Size& most) {
    return (more.consumers == 0 || now.consumers + more.consumers <= most.consumers) &&
           (more.held == 0 || now.held + more.held <= most.held);
  };
  return fits(here, kEachVhost) || (fits(here, kMostOfVhost) && fits(size_, kMost));
}

void ConsumerBook::Queue(const InboxName& name, Inbox& inbox, std::int64_t at_ms) {
  inbox.turn = Turn{at_ms, ++turns_};
  unknown_.emplace(*inbox.turn, name);
}

void ConsumerBook::Erase(const Place& place) {
  const auto group = groups_.find(place.first);
  const auto found = group->second.find(place.second);
  LeaveInbox(place, {place.first.vhost, found->second.inbox});
  const auto here = size_of_.find(place.first.vhost);
  for (Size* size : {&size_, &here->second}) {
    size->held -= found->second.holds.size();
    --size->consumers;
  }
  if (here->second.consumers == 0) size_of_.erase(here);
  group->second.erase(found);
  if (group->second.empty()) groups_.erase(group);
}

void ConsumerBook::LeaveInbox(const Place& place, const InboxName& inbox) {
  const auto found = inboxes_.find(inbox);
  if (found == inboxes_.end()) return;
  found->second.consumers.erase(place);
  if (!found->second.consumers.empty()) return;
  if (found->second.turn) unknown_.erase(*found->second.turn);
  inboxes_.erase(found);
}

}  // namespace warren::coordinator
