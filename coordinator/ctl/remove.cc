// purge_stream, delete_stream: the whole set of shards of an exchange at once.
#include "coordinator/ctl/command.h"
#include "coordinator/ctl/interrupt.h"
#include "coordinator/ctl/round.h"
#include "coordinator/ctl/world.h"

namespace warren::ctl {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

std::string Exchange(const Context& context) {
  return "exchange '" + context.arguments[0] + "' of virtual host '" + context.vhost + "'";
}

std::string Shards(std::size_t count) { return std::to_string(count) + (count == 1 ? " shard" : " shards"); }

/// What purge_stream made of the shards.
struct Purged {
  Table table{{"queue", "messages", "outcome"}, {}};
  std::size_t done = 0;
  std::vector<Error> failures;
};

/// Of the queues that are this stream's and can be reached.
bool CanPurge(const Shard& shard) {
  return shard.state != ShardState::kMissing && shard.state != ShardState::kConflict &&
         shard.state != ShardState::kDown;
}

Purged PurgeAll(const Context& context, const StreamPlan& stream) {
  Purged purged;
  Progress progress(context);
  for (const Shard& shard : stream.shards) {
    const auto messages = shard.ready ? nlohmann::json(*shard.ready) : nlohmann::json();
    if (!CanPurge(shard)) {
      if (shard.state != ShardState::kMissing) purged.table.rows.push_back({shard.queue, messages, Name(shard.state)});
      continue;
    }
    progress.Show("Purging shard " + std::to_string(purged.table.rows.size() + 1) + " of " +
                  std::to_string(stream.shards.size()) + " ...");
    auto done = context.client->PurgeQueue(stream.vhost, shard.queue);
    if (done || done.error().code == ErrorCode::kNotFound) {
      ++purged.done;
      purged.table.rows.push_back({shard.queue, messages, done ? "purged" : "gone"});
    } else {
      purged.table.rows.push_back({shard.queue, messages, "failed"});
      purged.failures.push_back(done.error());
    }
  }
  return purged;
}

/// The broker's policy by which the rabbitmq_sharding plugin looks after the exchange; null: none.
const BrokerPolicy* PluginPolicy(const Context& context, const Topology& topology) {
  for (const warren::Exchange& exchange : topology.exchanges) {
    if (exchange.vhost != context.vhost || exchange.name != context.arguments[0]) continue;
    for (const BrokerPolicy& policy : topology.policies) {
      if (policy.vhost != exchange.vhost || policy.name != exchange.policy) continue;
      return policy.definition.is_object() && policy.definition.contains("shards-per-node") ? &policy : nullptr;
    }
  }
  return nullptr;
}

/// No shards of Warren's; or the plugin's, which are not taken while it looks after them.
tl::unexpected<Error> NoShards(const Context& context, const World& world) {
  if (const BrokerPolicy* policy = PluginPolicy(context, world.topology)) {
    return Fail(ErrorCode::kConflict,
                "policy '" + policy->name +
                    "' of the broker has the rabbitmq_sharding plugin look after its queues; "
                    "clear that first: rabbitmqctl clear_policy -p '" +
                    context.vhost + "' '" + policy->name + "'",
                Exchange(context));
  }
  return Fail(ErrorCode::kNotFound,
              "there are no shards of it; 'warrenctl list_shards' shows what is there, and -p names another virtual "
              "host",
              Exchange(context));
}

/// Why delete_stream has nothing to do with this exchange; nothing: it may go on.
Result<void> CheckDeletable(const Context& context, const World& world) {
  const auto resolution = world.catalog.Resolve(context.vhost, context.arguments[0]);
  if (resolution) {
    return Fail(ErrorCode::kConflict,
                "policy '" + resolution->policy + "' matches it, so its shards are wanted; remove the policy first " +
                    "('warrenctl -p " + context.vhost + " clear_policy " + resolution->policy +
                    "'), or give it a pattern that leaves this exchange out",
                Exchange(context));
  }
  const StreamPlan* stream = world.Find(context.vhost, context.arguments[0]);
  if (stream != nullptr && !(stream->shards.empty() && stream->actions.empty())) return {};
  return NoShards(context, world);
}

/// delete_stream from its first look to its last.
class Deletion {
 public:
  explicit Deletion(const Context& context)
      : context_(context),
        observer_(context, LocalUsers::kAllOfThem),
        progress_(context),
        end_(Clock::now() + context.time_limit) {}

  Result<int> ToItsEnd() {
    const std::vector<StreamName> remove = {{context_.vhost, context_.arguments[0]}};
    auto world = observer_.Look(remove);
    if (!world) return tl::unexpected(world.error());
    if (auto allowed = CheckDeletable(context_, *world); !allowed) return tl::unexpected(allowed.error());
    while (true) {
      const StreamPlan* stream = world->Find(context_.vhost, context_.arguments[0]);
      if (stream == nullptr || (stream->shards.empty() && stream->actions.empty())) return Finished();
      most_ = std::max(most_, stream->shards.size());
      if (OnlyDown(*stream)) return Unreachable(stream->shards.size());
      Plan plan;
      plan.streams = {*stream};
      if (auto stepped = Step(plan); !stepped) return tl::unexpected(stepped.error());
      const auto left = std::chrono::duration_cast<milliseconds>(end_ - Clock::now());
      if (left <= milliseconds::zero()) return TimeIsUp(*stream);
      if (plan.empty()) WaitOrInterrupted(UntilNextLook(plan, left));
      world = observer_.Look(remove);
      if (!world) return tl::unexpected(world.error());
      if (world->catalog.Resolve(context_.vhost, context_.arguments[0])) return PolicyCameBack();
    }
  }

  const Journal& journal() const { return journal_; }

 private:
  static bool OnlyDown(const StreamPlan& stream) {
    return stream.actions.empty() && std::all_of(stream.shards.begin(), stream.shards.end(),
                                                 [](const Shard& shard) { return shard.state == ShardState::kDown; });
  }

  /// What there is to do now. Only what no later look can mend is an error.
  Result<void> Step(const Plan& plan) {
    failures_ = ApplyOnce(context_, plan, progress_, journal_).failures;
    for (const Error& failure : failures_) {
      if (failure.code == ErrorCode::kForbidden || failure.code == ErrorCode::kUnauthorized) {
        return tl::unexpected(failure);
      }
    }
    DrainCount count;
    for (const Shard& shard : plan.streams.front().shards) {
      count.Add(shard);
      if (auto purged = Purge(shard); !purged) return tl::unexpected(purged.error());
    }
    progress_.Show(std::to_string(most_ - count.shards) + " of " + Shards(most_) + " deleted; " + count.ToString());
    return {};
  }

  /// Only once it is unbound, so that nothing comes after.
  Result<void> Purge(const Shard& shard) {
    if (!context_.purge || shard.bound || shard.state == ShardState::kDown || shard.ready.value_or(0) == 0) return {};
    auto purged = context_.client->PurgeQueue(context_.vhost, shard.queue);
    if (!purged && purged.error().code != ErrorCode::kNotFound) return tl::unexpected(purged.error());
    return {};
  }

  int Finished() {
    progress_.Finish();
    context_.Say("Deleted " + Shards(most_) + " of " + Exchange(context_) + ".");
    return 0;
  }

  int Unreachable(std::size_t left) {
    progress_.Finish();
    context_.Warn(Shards(left) + " of " + Exchange(context_) +
                  " are on nodes that are down; delete the stream again when these are back or forgotten");
    return kPartlyDone;
  }

  Result<int> PolicyCameBack() {
    progress_.Finish();
    return Fail(ErrorCode::kConflict,
                "a policy matches it now, so its shards are wanted again; nothing more is deleted", Exchange(context_));
  }

  Result<int> TimeIsUp(const StreamPlan& stream) {
    progress_.Finish();
    DrainCount count;
    for (const Shard& shard : stream.shards) count.Add(shard);
    std::string why;
    if (!failures_.empty()) why = "; last: " + failures_.front().ToString();
    return Fail(ErrorCode::kTimeout,
                "not all shards are deleted in time: " + count.ToString() +
                    (context_.purge ? "" : "; --purge drops messages that are ready") + why +
                    "; doing it again goes on",
                Exchange(context_));
  }

  const Context& context_;
  Observer observer_;
  Progress progress_;
  Clock::time_point end_;
  std::size_t most_ = 0;  ///< Shards that were there at most.
  std::vector<Error> failures_;
  Journal journal_;
};

}  // namespace

Result<int> PurgeStream(const Context& context) {
  // Queues of the plugin's names are a stream's only where a policy says so, or where they are to be removed.
  auto world = Observer(context, LocalUsers::kAllOfThem).Look({{context.vhost, context.arguments[0]}});
  if (!world) return tl::unexpected(world.error());
  const StreamPlan* stream = world->Find(context.vhost, context.arguments[0]);
  if (stream == nullptr || stream->shards.empty()) return NoShards(context, *world);
  Purged purged = PurgeAll(context, *stream);
  context.Print(purged.table);
  for (const Error& failure : purged.failures) context.Warn(failure.ToString());
  if (purged.done == 0 && !purged.failures.empty()) return ExitCode(purged.failures.front().code);
  context.Say("Purged " + Shards(purged.done) + " of " + Exchange(context) + ".");
  return purged.done == purged.table.rows.size() ? 0 : kPartlyDone;
}

Result<int> DeleteStream(const Context& context) {
  Deletion deletion(context);
  auto exit_code = deletion.ToItsEnd();
  if (exit_code || !deletion.journal().empty()) deletion.journal().PrintFor(context);
  return exit_code;
}

}  // namespace warren::ctl
