// See outcome_book.h.
#include "coordinator/outcome_book.h"

#include <utility>

namespace warren::coordinator {

void OutcomeBook::AddLate(StreamOutcome outcome) {
  const std::lock_guard lock(mutex_);
  late_.push_back(std::move(outcome));
}

std::vector<StreamOutcome> OutcomeBook::TakeLate() {
  const std::lock_guard lock(mutex_);
  return std::exchange(late_, {});
}

bool OutcomeBook::Note(const StreamOutcome& outcome) {
  const std::pair key{outcome.vhost, outcome.exchange};
  const ActionOutcome* failure = outcome.failure();
  if (failure == nullptr) {
    failures_.erase(key);
    return false;
  }
  const Error error = failure->result.error().Within(failure->action);
  const auto before = failures_.find(key);
  const bool news = before == failures_.end() || before->second.ToString() != error.ToString();
  failures_.insert_or_assign(key, error);
  return news;
}

}  // namespace warren::coordinator
