// See reassign.h.
#include "coordinator/reassign.h"

#include "shardmgr/plan/assign.h"

namespace warren::coordinator {

std::vector<std::string> Reassign(const StreamPlan& stream, ConsumerBook::Group& group, Numbering& numbering,
                                  std::int64_t observed_at_ms, std::int64_t statistics_interval_ms) {
  std::set<std::string> held;
  std::vector<ShardConsumer> consumers;
  for (const auto& [instance, consumer] : group) {
    held.insert(consumer.holds.begin(), consumer.holds.end());
    if (consumer.node.empty()) continue;
    // Whoever leads goes by what it said; before that, and on others, what consumers hold shows what was said.
    const bool own = consumer.assignment && numbering.IsOwn(*consumer.assignment);
    consumers.push_back({instance, consumer.node, own ? consumer.assignment->shards : consumer.holds});
  }
  const auto shards = ServableShards(stream, held, observed_at_ms, statistics_interval_ms);
  auto shares = Assign(shards, consumers);
  std::vector<std::string> changed;
  for (std::size_t i = 0; i < consumers.size(); ++i) {
    BookedConsumer& consumer = group.at(consumers[i].instance);
    ShardShare& share = shares[i];
    const Assignment* before = consumer.assignment.get();
    // While it does not lead, it keeps what it said as that.
    const bool still = before != nullptr &&
                       (before->number.term == numbering.term || (numbering.term == 0 && numbering.IsOwn(*before)));
    const bool same =
        still && before->node == consumer.node && before->shards == share.shards && before->local.size() == share.local;
    if (same) continue;
    auto next = std::make_shared<Assignment>();
    next->exchange = stream.exchange;
    next->instance = consumers[i].instance;
    next->node = consumer.node;
    next->number = {numbering.term, ++numbering.sequence};
    next->local.assign(share.shards.begin(), share.shards.begin() + static_cast<std::ptrdiff_t>(share.local));
    next->shards = std::move(share.shards);
    consumer.assignment = std::move(next);
    changed.push_back(consumers[i].instance);
  }
  return changed;
}

}  // namespace warren::coordinator
