// Applying, and when to look again.
#include "coordinator/ctl/round.h"

#include "shardmgr/broker/management/applier.h"

namespace warren::ctl {
namespace {

constexpr std::chrono::milliseconds kShortestWait{100};
constexpr std::chrono::milliseconds kLongestWait{1'000};

std::int64_t NowMs() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

}  // namespace

void Journal::Add(const Action& action, bool done) {
  const nlohmann::json queue = action.queue.empty() ? nlohmann::json() : nlohmann::json(action.queue);
  table_.rows.push_back({action.vhost, action.exchange, Name(action.kind), queue, done ? "done" : "failed"});
}

void Journal::PrintFor(const Context& context) const {
  if (context.format != Format::kTable) context.Print(table_);
}

Round ApplyOnce(const Context& context, const Plan& plan, Progress& progress, Journal& journal) {
  Round round;
  for (const StreamPlan& stream : plan.streams) {
    for (const auto& outcome : management::ApplyThroughManagement(*context.client, stream)) {
      if (outcome.attempted) journal.Add(outcome.action, outcome.result.has_value());
      if (outcome.result) {
        ++round.done;
        progress.Finish();
        context.Say(outcome.action.ToString());
      } else if (outcome.attempted) {
        round.failures.push_back(outcome.result.error());
      }
    }
  }
  return round;
}

std::string Actions(std::size_t count) { return std::to_string(count) + (count == 1 ? " action" : " actions"); }

std::chrono::milliseconds UntilNextLook(const Plan& plan, std::chrono::milliseconds left) {
  const auto next = plan.next_look_ms();
  const auto wait = next ? std::chrono::milliseconds(*next - NowMs()) : kLongestWait;
  return std::min(std::clamp(wait, kShortestWait, kLongestWait), left);
}

}  // namespace warren::ctl
