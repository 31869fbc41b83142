// plan and apply: what would be done, and doing it once through the management API.
#include <ostream>

#include "coordinator/ctl/command.h"
#include "coordinator/ctl/world.h"
#include "shardmgr/broker/management/applier.h"

namespace warren::ctl {
namespace {

/// A plan converges in one round, or two when the first one changed what the second sees; more are
/// for clusters that change meanwhile.
constexpr int kMaxRounds = 20;
constexpr int kPartlyApplied = 3;

std::string Actions(std::size_t count) { return std::to_string(count) + (count == 1 ? " action" : " actions"); }

/// What one round did, over all streams.
struct Round {
  std::size_t done = 0;
  std::vector<Error> failures;  ///< In order; actions that were left out because of them are not listed.
};

Round ApplyOnce(const Context& context, const Plan& plan) {
  Round round;
  for (const StreamPlan& stream : plan.streams) {
    for (const auto& outcome : management::ApplyThroughManagement(*context.client, stream)) {
      if (outcome.result) {
        ++round.done;
        context.Say(outcome.action.ToString());
      } else if (outcome.attempted) {
        round.failures.push_back(outcome.result.error());
      }
    }
  }
  return round;
}

int Conclude(const Context& context, const Plan& plan, std::size_t done) {
  const auto ready =
      std::count_if(plan.streams.begin(), plan.streams.end(), [](const StreamPlan& stream) { return stream.ready(); });
  const bool complete = static_cast<std::size_t>(ready) == plan.streams.size() && plan.problems.empty();
  WarnOfConditions(context, plan);
  context.Say((done == 0 ? "Nothing to do" : "Did " + Actions(done)) + "; " + std::to_string(ready) + " of " +
              std::to_string(plan.streams.size()) + " streams ready.");
  return complete ? 0 : kPartlyApplied;
}

}  // namespace

Result<int> ShowPlan(const Context& context) {
  auto world = Look(context);
  if (!world) return tl::unexpected(world.error());
  Table table{{"vhost", "exchange", "action", "queue", "node", "routing_key"}, {}};
  const auto or_null = [](const std::string& text) { return text.empty() ? nlohmann::json() : nlohmann::json(text); };
  for (const StreamPlan& stream : world->plan.streams) {
    for (const Action& action : stream.actions) {
      table.rows.push_back({action.vhost, action.exchange, Name(action.kind), or_null(action.queue),
                            or_null(action.node), or_null(action.routing_key)});
    }
  }
  WarnOfConditions(context, world->plan);
  if (table.rows.empty() && context.format == Format::kTable) {
    context.Say("Nothing to do.");
    return 0;
  }
  context.Print(table);
  context.Say(Actions(table.rows.size()) + "; 'warrenctl apply' does them.");
  return 0;
}

Result<int> ApplyPlan(const Context& context) {
  std::size_t done = 0;
  std::vector<Error> failures;
  for (int round_number = 0; round_number < kMaxRounds; ++round_number) {
    auto world = Look(context);
    if (!world) return tl::unexpected(world.error());
    if (world->plan.empty()) return Conclude(context, world->plan, done);
    Round round = ApplyOnce(context, world->plan);
    done += round.done;
    failures = std::move(round.failures);
    if (round.done == 0 || (!failures.empty() && round_number > 0)) {
      WarnOfConditions(context, world->plan);
      break;
    }
  }
  for (const Error& failure : failures) *context.err << "Error: " << failure.ToString() << "\n";
  if (done == 0 && !failures.empty()) return ExitCode(failures.front().code);
  context.Warn("did " + Actions(done) + ", and not all of the plan; 'warrenctl plan' shows what is left");
  return kPartlyApplied;
}

}  // namespace warren::ctl
