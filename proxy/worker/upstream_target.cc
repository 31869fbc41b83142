// Kept connections and fitness of one address.
#include "proxy/worker/upstream_target.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "shardmgr/program/logging.h"

namespace warren::worker {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::seconds kLookPause{1};
constexpr std::chrono::seconds kResolvePause{5};

}  // namespace

UpstreamTarget::UpstreamTarget(const asio::any_io_executor& executor, UpstreamAddress address,
                               const UpstreamOptions& options, std::function<void()> on_fitness, prometheus::Gauge& fit,
                               prometheus::Gauge& connections)
    : address_(std::move(address)),
      options_(options),
      on_fitness_(std::move(on_fitness)),
      fit_gauge_(fit),
      connections_gauge_(connections),
      executor_(executor),
      timer_(executor),
      resolver_(executor) {
  error_code not_numeric;
  const auto numeric = asio::ip::make_address(address_.host, not_numeric);
  named_ = not_numeric.failed();
  if (!named_) endpoints_ = {tcp::endpoint(numeric, static_cast<std::uint16_t>(std::stoi(address_.port)))};
  probe_request_.method = "GET";
  probe_request_.target = options_.health_path;
}

UpstreamTarget::~UpstreamTarget() { Stop(); }

void UpstreamTarget::Start() { named_ ? Resolve() : Look(); }

void UpstreamTarget::Stop() {
  stopped_ = true;
  timer_.cancel();
  resolver_.cancel();
  if (probe_) std::exchange(probe_, nullptr)->Close();
  for (const auto& connection : resting_) connection->Close();
  resting_.clear();
}

void UpstreamTarget::Look() {
  if (stopped_) return;
  const Clock::time_point now = Clock::now();
  DropOld();
  if (named_ && !resolving_ && now - resolved_at_ >= kResolvePause) Resolve();
  if (probe_ && now >= probe_ends_) EndProbe("does not answer");
  const bool due = !fit_ || !options_.health_path.empty();
  if (!probe_ && due && now >= suspended_until_) Probe();
  timer_.expires_after(kLookPause);
  timer_.async_wait([this](error_code error) {
    if (!error) Look();
  });
}

// Never on the way of a request: those take the addresses that are known.
void UpstreamTarget::Resolve() {
  resolving_ = true;
  resolver_.async_resolve(address_.host, address_.port, [this](error_code error, const auto& results) {
    if (error == asio::error::operation_aborted) return;
    const bool first = resolved_at_ == Clock::time_point();
    resolving_ = false;
    resolved_at_ = Clock::now();
    if (!error) endpoints_.assign(results.begin(), results.end());
    if (first) Look();
  });
}

void UpstreamTarget::Probe() {
  probe_ends_ = Clock::now() + options_.connect_timeout;
  probe_ = std::make_shared<UpstreamConnection>(executor_);
  probe_->Connect(endpoints_, *this);
}

void UpstreamTarget::EndProbe(const std::string& problem) {
  std::exchange(probe_, nullptr)->Close();
  bad_answers_ = problem.empty() ? 0 : bad_answers_ + 1;
  if (problem.empty() && Clock::now() < suspended_until_) return;  // It was asked before it was suspended.
  if (problem.empty()) {
    SetFit(true, "");
  } else if (bad_answers_ >= kBadAnswersToUnfit) {
    SetFit(false, problem);
  }
}

void UpstreamTarget::OnConnected(UpstreamConnection& connection, error_code error) {
  if (error) {
    bad_answers_ = kBadAnswersToUnfit;
    return EndProbe("cannot be connected to: " + error.message());
  }
  if (options_.health_path.empty()) return EndProbe("");
  const std::string& host = options_.host_header.empty() ? address_.authority : options_.host_header;
  connection.Send(probe_request_, host, options_.max_body_bytes, *this);
}

void UpstreamTarget::OnResult(UpstreamConnection& /*connection*/, ExchangeResult result) {
  const int status = result.response.status;
  if (result.outcome != ExchangeOutcome::kAnswered) return EndProbe("gives no response to " + options_.health_path);
  EndProbe(status < 400 ? "" : "answers " + std::to_string(status) + " to " + options_.health_path);
}

std::shared_ptr<UpstreamConnection> UpstreamTarget::TakeResting() {
  // The last one is the youngest.
  if (!resting_.empty() && Clock::now() - resting_.back()->resting_since() >= options_.idle_timeout) DropOld();
  while (!resting_.empty()) {
    std::shared_ptr<UpstreamConnection> connection = std::move(resting_.back());
    resting_.pop_back();
    if (!connection->IsQuiet()) {
      connections_gauge_.Decrement();
      connection->Close();
      continue;
    }
    ++in_use_;
    return connection;
  }
  return nullptr;
}

std::shared_ptr<UpstreamConnection> UpstreamTarget::Connect(UpstreamConnection::User& user) {
  ++in_use_;
  connections_gauge_.Increment();
  auto connection = std::make_shared<UpstreamConnection>(executor_);
  connection->Connect(endpoints_, user);
  return connection;
}

void UpstreamTarget::GiveBack(const std::shared_ptr<UpstreamConnection>& connection, bool keep) {
  --in_use_;
  const bool young = Clock::now() - connection->opened_at() < kLongestUse;
  if (!keep || !young || stopped_ || resting_.size() >= options_.max_resting) {
    connections_gauge_.Decrement();
    return connection->Close();
  }
  connection->Rest([this](UpstreamConnection& ended) {
    connections_gauge_.Decrement();
    std::erase_if(resting_, [&](const auto& each) { return each.get() == &ended; });
  });
  resting_.push_back(connection);
}

void UpstreamTarget::DropOld() {
  const Clock::time_point oldest = Clock::now() - options_.idle_timeout;
  const auto young =
      std::find_if(resting_.begin(), resting_.end(), [&](const auto& each) { return each->resting_since() > oldest; });
  for (auto old = resting_.begin(); old != young; ++old) (*old)->Close();
  connections_gauge_.Decrement(static_cast<double>(young - resting_.begin()));
  resting_.erase(resting_.begin(), young);
}

void UpstreamTarget::NoteConnect(error_code error) {
  failures_ = error ? failures_ + 1 : 0;
  if (error == asio::error::connection_refused || failures_ >= kFailuresToUnfit) SetFit(false, error.message());
}

void UpstreamTarget::NoteResult(bool answered, bool others) {
  broken_ = answered ? 0 : broken_ + 1;
  if (broken_ < kBrokenToSuspend || !others) return;
  suspended_until_ = Clock::now() + kSuspension;
  SetFit(false, "gave no response to " + std::to_string(broken_) + " requests in a row");
}

void UpstreamTarget::SetFit(bool fit, const std::string& why) {
  if (fit) failures_ = broken_ = 0;
  if (fit_ == fit) return;
  fit_ = fit;
  fit_gauge_.Set(fit ? 1 : 0);
  program::Log(fit ? program::LogLevel::kInfo : program::LogLevel::kWarning,
               fit ? "the application can be reached" : "the application cannot be reached",
               {{"upstream", address_.authority}, {"detail", why}});
  on_fitness_();
}

}  // namespace warren::worker
