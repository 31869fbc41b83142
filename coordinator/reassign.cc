// See reassign.h.
#include "coordinator/reassign.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "shardmgr/plan/assign.h"

namespace warren::coordinator {
namespace {

/// What else a message says: three names, of which JSON may make six times as much, and two numbers.
constexpr std::size_t kOtherBytes = 8 * 1024;
constexpr ShareLimits kLimits{kMaxAssignedShards, kMaxControlBytes - kOtherBytes};

/// Of a name in a list, as Encode writes it.
std::size_t ListedBytes(const std::string& name) {
  using nlohmann::json;
  return json(name).dump(-1, ' ', false, json::error_handler_t::replace).size() + 1;
}

std::vector<ServableShard> Servable(const StreamPlan& stream, const ConsumerBook::Group& group,
                                    std::int64_t observed_at_ms, std::int64_t statistics_interval_ms) {
  std::set<std::string> held;
  for (const auto& [instance, consumer] : group) held.insert(consumer.holds.begin(), consumer.holds.end());
  auto shards = ServableShards(stream, held, observed_at_ms, statistics_interval_ms);
  for (ServableShard& shard : shards) shard.bytes = ListedBytes(shard.queue);
  return shards;
}

std::vector<ShardConsumer> Found(const ConsumerBook::Group& group, const Numbering& numbering) {
  std::vector<ShardConsumer> consumers;
  for (const auto& [instance, consumer] : group) {
    if (consumer.node.empty()) continue;
    // Whoever leads goes by what it said; before that, and on others, what consumers hold shows what was said.
    if (consumer.assignment && numbering.IsOwn(*consumer.assignment)) {
      consumers.push_back({instance, consumer.node, consumer.assignment->others, consumer.assignment->local});
    } else {
      consumers.push_back({instance, consumer.node, consumer.holds});
    }
  }
  return consumers;
}

/// Local lists that are as they were are those of before, so that consumers with news and those without share one.
void KeepLists(const std::vector<ShardConsumer>& consumers, const ConsumerBook::Group& group,
               std::vector<SharedShare>& shares) {
  std::map<const QueueNames*, std::shared_ptr<const QueueNames>> kept;
  for (std::size_t i = 0; i < consumers.size(); ++i) {
    const auto& before = group.at(consumers[i].instance).assignment;
    const auto& now = shares[i].local;
    if (before && !kept.contains(now.get()) && *before->local == *now) kept.emplace(now.get(), before->local);
  }
  for (SharedShare& share : shares) {
    if (const auto found = kept.find(share.local.get()); found != kept.end()) share.local = found->second;
  }
}

bool Same(const GivenShards& before, const BookedConsumer& consumer, const SharedShare& now) {
  return before.node == consumer.node && before.others == now.others &&
         (before.local == now.local || *before.local == *now.local);
}

}  // namespace

Reassignment Reassign(const StreamPlan& stream, ConsumerBook::Group& group, Numbering& numbering,
                      std::int64_t observed_at_ms, std::int64_t statistics_interval_ms) {
  const auto consumers = Found(group, numbering);
  auto shares = AssignShared(Servable(stream, group, observed_at_ms, statistics_interval_ms), consumers, kLimits);
  KeepLists(consumers, group, shares.given);
  Reassignment result;
  result.left_out = shares.left_out;
  for (std::size_t i = 0; i < consumers.size(); ++i) {
    BookedConsumer& consumer = group.at(consumers[i].instance);
    SharedShare& share = shares.given[i];
    const GivenShards* before = consumer.assignment.get();
    // While it does not lead, it keeps what it said as that.
    const bool still = before != nullptr &&
                       (before->number.term == numbering.term || (numbering.term == 0 && numbering.IsOwn(*before)));
    if (still && Same(*before, consumer, share)) continue;
    consumer.assignment = std::make_shared<const GivenShards>(GivenShards{
        consumer.node, {numbering.term, ++numbering.sequence}, std::move(share.local), std::move(share.others)});
    result.changed.push_back(consumers[i].instance);
  }
  return result;
}

std::string Message(const StreamName& stream, const std::string& instance, const GivenShards& given) {
  return Encode(Assignment{stream.exchange, instance, given.node, given.number, given.shards(), *given.local});
}

}  // namespace warren::coordinator
