// Groups with a cluster around them: three nodes a, b, c with two shards of stream x each unless a test draws something
// else, and a note of what members were told.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "proxy/gateway/groups.h"

namespace warren::gateway {

using namespace std::chrono_literals;
using Names = std::vector<std::string>;

inline const std::string kA0 = "stream: x - a - 0", kA1 = "stream: x - a - 1", kB0 = "stream: x - b - 0",
                         kB1 = "stream: x - b - 1", kC0 = "stream: x - c - 0", kC1 = "stream: x - c - 1";
inline const Names kAll = {kA0, kA1, kB0, kB1, kC0, kC1};

class GroupsTest : public testing::Test {
 protected:
  GroupsTest() {
    for (const std::string& name : kAll) {
      Queue queue;
      queue.vhost = "/";
      queue.name = name;
      queue.node = name.substr(12, 1);
      queue.consumers = 1;
      queue.ready = queue.unacked = 0;
      topology_.queues.push_back(queue);
      Binding binding;
      binding.vhost = "/";
      binding.source = "x";
      binding.destination = name;
      topology_.bindings.push_back(binding);
    }
    groups_.SetNode(0, "a");
    groups_.SetNode(1, "b");
    groups_.SetNode(2, "c");
    Look();
  }

  void Look() { groups_.SetStreams(std::make_shared<const StreamMap>(topology_)); }
  Queue& QueueOf(const std::string& name) {
    return *std::find_if(topology_.queues.begin(), topology_.queues.end(),
                         [&](const Queue& queue) { return queue.name == name; });
  }
  void Remove(const std::string& name) {
    std::erase_if(topology_.queues, [&](const Queue& queue) { return queue.name == name; });
  }
  void Unbind(const std::string& name) {
    std::erase_if(topology_.bindings, [&](const Binding& binding) { return binding.destination == name; });
  }

  GroupKey Key(std::size_t upstream) const { return {upstream, "/", "x"}; }
  MemberId Join(std::size_t upstream, bool exclusive = false) {
    const MemberId id = ++last_;
    groups_.Join(id, {upstream, "/", "x", exclusive}, now_);
    return id;
  }
  /// Takes note of what members are told.
  std::size_t Update() {
    const auto answers = groups_.Update(now_, [this](const GroupKey& key, const std::string& queue) {
      const auto found = seen_.find({key.upstream, queue});
      return found == seen_.end() ? presence_ : found->second;
    });
    for (const Groups::Answer& answer : answers) told_[answer.member] = answer;
    return answers.size();
  }
  Names Of(MemberId id) {
    const auto found = told_.find(id);
    return found == told_.end() ? Names{"was told nothing"} : found->second.queues;
  }

  Groups groups_{ConsumeMode::kAll};
  Topology topology_;
  Groups::Time now_{1000s};
  Presence presence_ = Presence::kThere;
  std::map<std::pair<std::size_t, std::string>, Presence> seen_;
  std::map<MemberId, Groups::Answer> told_;
  MemberId last_ = 0;
};

}  // namespace warren::gateway
