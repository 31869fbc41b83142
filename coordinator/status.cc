// See status.h.
#include "coordinator/status.h"

namespace warren::coordinator {

std::string_view StreamStatus::state() const {
  const std::string_view planned = plan.state();
  if (left_out && planned == "ready") return "degraded";
  return failed && planned != "not-ready" ? std::string_view("degraded") : planned;
}

std::size_t Snapshot::action_count() const {
  std::size_t count = 0;
  for (const StreamStatus& stream : streams) count += stream.plan.actions.size();
  return count;
}

Condition FailureCondition(const Error& error) {
  return {ConditionType::kDegraded, "ApplyFailed", error.ToString() + "; it is tried again in the next round", false};
}

std::vector<StreamStatus> ConditionBook::Update(const Plan& plan,
                                                const std::map<std::pair<std::string, std::string>, Error>& failures,
                                                std::int64_t now_ms, const Uncovered& uncovered) {
  std::map<Key, std::int64_t> since;
  std::vector<StreamStatus> statuses;
  for (const StreamPlan& stream : plan.streams) {
    StreamStatus status{stream, {}, false, {}, false};
    auto conditions = stream.conditions;
    if (const auto failure = failures.find({stream.vhost, stream.exchange}); failure != failures.end()) {
      status.failed = true;
      conditions.push_back(FailureCondition(failure->second));
    }
    if (const auto found = uncovered.find({stream.vhost, stream.exchange}); found != uncovered.end()) {
      status.uncovered = found->second;
      const auto condition = CoverageCondition(stream, found->second);
      status.left_out = condition && condition->type == ConditionType::kDegraded;
      if (condition) conditions.push_back(*condition);
    }
    for (Condition& condition : conditions) {
      const Key key{stream.vhost, stream.exchange, condition.type, condition.reason};
      const auto before = since_.find(key);
      since[key] = before == since_.end() ? now_ms : before->second;
      status.conditions.push_back({std::move(condition), since[key]});
    }
    statuses.push_back(std::move(status));
  }
  since_ = std::move(since);
  return statuses;
}

}  // namespace warren::coordinator
