// See history.h. One pass over the bindings and one over the queues for each observation.
#include "shardmgr/plan/history.h"

#include <algorithm>

#include "shardmgr/plan/naming.h"
#include "shardmgr/plan/plan.h"

namespace warren {
namespace {

/// Counters are compared over at most this time: a counter that once rose says nothing about now.
constexpr std::int64_t kEpochMs = 60'000;

/// How long a queue that is gone is remembered.
constexpr std::int64_t kGoneMs = 600'000;

using QueueKey = std::pair<std::string_view, std::string_view>;
using KeysBySource = std::map<BindingSource, std::set<std::string>>;

/// The bindings of a queue.
struct Feed {
  KeysBySource keys;      ///< Also those of the exchange that is named as it is: they are its place in a ring.
  bool to_queue = false;  ///< One of them feeds the queue itself.
};
const Feed kNoFeed;

/// All but those to the default exchange and to the marker.
std::map<QueueKey, Feed> Feeds(const Topology& observed) {
  std::map<QueueKey, Feed> feeds;
  for (const Binding& binding : observed.bindings) {
    if (binding.source.empty() || binding.source == kDrainExchange) continue;
    if (!binding.to_queue && !IsShardName(binding.destination)) continue;
    Feed& feed = feeds[{binding.vhost, binding.destination}];
    feed.keys[{binding.source, binding.to_queue}].insert(binding.routing_key);
    feed.to_queue = feed.to_queue || binding.to_queue;
  }
  return feeds;
}

/// Fewer keys of one exchange than before, and not none: one of several bindings was removed.
void NoteKeys(QueueHistory& history, const KeysBySource& keys) {
  for (const auto& [source, now] : keys) {
    const std::set<std::string>& before = history.keys[source];
    const bool fewer =
        now.size() < before.size() && std::includes(before.begin(), before.end(), now.begin(), now.end());
    if (fewer) history.place_lost_on = source;
  }
  history.keys = keys;
  if (!keys.contains(history.place_lost_on)) history.place_lost_on = {};
}

/// A queue of another make is another queue, whoever declared it under this name.
void NoteServed(QueueHistory& history, const Queue& queue, const KeysBySource& keys) {
  std::string make = queue.type + (queue.durable ? " durable " : " transient ");
  make += queue.arguments.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (make != history.make) history.served.clear();
  history.make = std::move(make);
  for (const auto& [source, unused] : keys) {
    if (source.to_queue) history.served.insert(source.exchange);
  }
}

void NoteBound(QueueHistory& history, std::int64_t now_ms) {
  if (history.bound_since_ms == 0) history.bound_since_ms = now_ms;
  history.unbound_since_ms = 0;
  history.empty_since_ms = 0;
}

/// Counts may be older than the unbinding, so those of the observation that first shows it are not taken.
void NoteUnfed(QueueHistory& history, const Queue& queue, std::int64_t now_ms) {
  history.bound_since_ms = 0;
  history.has_risen = false;
  if (history.unbound_since_ms == 0) {
    history.unbound_since_ms = now_ms;
    history.progress_at_ms = now_ms;
    return;
  }
  const bool empty = queue.ready == 0U && queue.unacked == 0U && queue.consumers == 0U;
  if (!empty) {
    history.empty_since_ms = 0;
  } else if (history.empty_since_ms == 0 && now_ms > history.unbound_since_ms) {
    history.empty_since_ms = now_ms;
  }
}

void NoteBacklog(QueueHistory& history, const Queue& queue, std::int64_t now_ms) {
  const std::uint64_t backlog = queue.ready.value_or(0) + queue.unacked.value_or(0);
  if (backlog < history.backlog || history.progress_at_ms == 0) history.progress_at_ms = now_ms;
  history.backlog = backlog;
}

}  // namespace

QueueHistory History::Recall(const Key& key) const {
  const auto before = queues_.find(key);
  if (before == queues_.end()) return {};
  if (before->second.gone_since_ms == 0) return before->second;
  QueueHistory fresh;
  fresh.was_on = before->second.node;
  return fresh;
}

void History::KeepGone(std::map<Key, QueueHistory>& next, std::int64_t now_ms) {
  for (auto& [key, history] : queues_) {
    if (next.contains(key)) continue;
    if (history.gone_since_ms == 0) history.gone_since_ms = now_ms;
    if (now_ms - history.gone_since_ms < kGoneMs) next.emplace(key, std::move(history));
  }
}

void History::Observe(const Topology& observed) {
  const std::int64_t now_ms = observed.observed_at_ms;
  const bool new_epoch = epoch_ms_ == 0 || now_ms - epoch_ms_ >= kEpochMs;
  if (new_epoch) epoch_ms_ = now_ms;
  const auto feeds = Feeds(observed);
  std::map<Key, QueueHistory> next;
  for (const Queue& queue : observed.queues) {
    if (!IsShardName(queue.name)) continue;
    Key key{queue.vhost, queue.name};
    QueueHistory history = Recall(key);
    history.node = queue.node;
    const auto fed = feeds.find({queue.vhost, queue.name});
    const Feed& feed = fed == feeds.end() ? kNoFeed : fed->second;
    NoteServed(history, queue, feed.keys);
    NoteKeys(history, feed.keys);
    if (feed.to_queue) {
      NoteBound(history, now_ms);
    } else {
      NoteUnfed(history, queue, now_ms);
    }
    NoteBacklog(history, queue, now_ms);
    // None yet: nothing was published, or its statistics are still to come, and then it rises when they do. A counter
    // that fell belongs to a queue that is new under an old name, or whose node was away.
    const std::uint64_t published = queue.published.value_or(0);
    const bool reset = history.published_at_epoch && published < *history.published_at_epoch;
    if (!reset && published > history.published_at_epoch.value_or(published)) {
      history.has_risen = history.bound_since_ms > 0;
    }
    if (new_epoch || reset || !history.published_at_epoch) history.published_at_epoch = published;
    next.emplace(std::move(key), std::move(history));
  }
  KeepGone(next, now_ms);
  queues_ = std::move(next);
}

void History::NoteUnbound(std::string_view vhost, const BindingSource& source, std::string_view queue,
                          const std::string& routing_key) {
  const auto found = queues_.find(Key(vhost, queue));
  if (found == queues_.end()) return;
  const auto keys = found->second.keys.find(source);
  if (keys == found->second.keys.end() || keys->second.contains(routing_key)) return;
  found->second.place_lost_on = source;
}

void History::NoteRebound(std::string_view vhost, std::string_view queue, std::int64_t at_ms) {
  const auto found = queues_.find(Key(vhost, queue));
  if (found == queues_.end()) return;
  found->second.place_lost_on = {};
  found->second.keys.clear();  // What it was bound with before says nothing any more.
  found->second.rebound_at_ms = at_ms;
  found->second.bound_since_ms = at_ms;
  found->second.has_risen = false;
}

const QueueHistory* History::Find(std::string_view vhost, std::string_view queue) const {
  const auto found = queues_.find(Key(vhost, queue));
  return found == queues_.end() || found->second.gone_since_ms != 0 ? nullptr : &found->second;
}

}  // namespace warren
