// See stream_apply.h.
#include "coordinator/stream_apply.h"

#include <boost/asio/post.hpp>

namespace warren::coordinator {
namespace {

constexpr std::chrono::seconds kActionTimeout{30};

/// Bindings of an exchange go one behind the other, whatever the nodes of their queues are.
bool SideBySide(ActionKind kind) { return kind == ActionKind::kDeclareShard || kind == ActionKind::kDeleteShard; }

}  // namespace

StreamApply::StreamApply(NodePool& pool, Permit permit, const StreamPlan& plan, bool one_by_one, OnSuccess on_success,
                         OnDone done)
    : pool_(pool),
      permit_(permit),
      actions_(plan.actions),
      user_(plan.spec && plan.spec->local_username ? *plan.spec->local_username : std::string()),
      one_by_one_(one_by_one),
      on_success_(std::move(on_success)),
      done_(std::move(done)),
      timer_(pool.executor()) {
  outcome_.vhost = plan.vhost;
  outcome_.exchange = plan.exchange;
  for (const Action& action : actions_) {
    outcome_.actions.push_back({action.kind, action.exchange, action.queue, action.ToString(), false, {}});
  }
}

void StreamApply::Start() { RunGroup(); }

std::size_t StreamApply::GroupEnd() const {
  if (one_by_one_) return begin_ + 1;
  std::size_t end = begin_;
  while (end < actions_.size() && actions_[end].kind == actions_[begin_].kind) ++end;
  return end;
}

bool StreamApply::GroupWasTried() const {
  for (std::size_t i = begin_; i < end_; ++i) {
    if (!outcome_.actions[i].attempted) return false;
  }
  return true;
}

void StreamApply::RunGroup() {
  if (finished_) return;
  if (!GroupWasTried()) return Finish();  // It failed, or the permit ended.
  begin_ = end_;
  if (begin_ == actions_.size() || outcome_.failure() != nullptr) return Finish();
  end_ = GroupEnd();
  std::map<std::string, std::vector<std::size_t>> by_node;
  for (std::size_t i = begin_; i < end_; ++i) {
    by_node[actions_[SideBySide(actions_[i].kind) ? i : begin_].node].push_back(i);
  }
  lanes_left_ = by_node.size();
  Watch();
  for (auto& [node, indices] : by_node) StartLane(node, std::move(indices));
}

void StreamApply::StartLane(const std::string& node, std::vector<std::size_t> indices) {
  const auto self = shared_from_this();
  lanes_.push_back(std::make_shared<Lane>(
      pool_, permit_, ConnectionName{node, outcome_.vhost, user_}, actions_, std::move(indices),
      Lane::Handlers{[self](std::size_t index, Result<void> result) { self->Settle(index, std::move(result)); },
                     [self] { self->LaneDone(); }}));
  boost::asio::post(pool_.executor(), [lane = lanes_.back()] { lane->Start(); });
}

void StreamApply::Settle(std::size_t index, Result<void> result) {
  if (finished_) return;
  const bool succeeded = result.has_value();
  outcome_.actions[index].attempted = true;
  outcome_.actions[index].result = std::move(result);
  if (succeeded) on_success_();
  Watch();
}

void StreamApply::LaneDone() {
  if (finished_ || --lanes_left_ > 0) return;
  boost::asio::post(pool_.executor(), [self = shared_from_this()] {
    self->lanes_.clear();
    self->RunGroup();
  });
}

void StreamApply::Watch() {
  timer_.expires_after(kActionTimeout);
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (self && !error) self->TimeOut();
  });
}

void StreamApply::TimeOut() {
  if (finished_) return;
  for (std::size_t i = begin_; i < end_; ++i) {
    if (outcome_.actions[i].attempted) continue;
    outcome_.actions[i].attempted = true;
    outcome_.actions[i].result = Fail(ErrorCode::kTimeout, "the broker did not answer within 30 s");
    break;
  }
  Finish();
}

void StreamApply::Finish() {
  if (std::exchange(finished_, true)) return;
  timer_.cancel();
  for (const auto& lane : lanes_) lane->Abandon();
  lanes_.clear();
  done_(std::move(outcome_));
}

}  // namespace warren::coordinator
