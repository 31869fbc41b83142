// See observer.h.
#include "coordinator/observer.h"

#include "coordinator/clock.h"
#include "coordinator/node_address.h"
#include "coordinator/sources.h"

namespace warren::coordinator {
namespace {

constexpr std::int64_t kCacheFactor = 5;  // See Topology::took_ms.

}  // namespace

std::optional<Plan> Observer::Look(Board::Failures& failures, EventSource* events) {
  auto problems = ReadPasswords();
  const auto access =
      options_.policies_dir.empty() ? management::ParameterAccess::kRequired : management::ParameterAccess::kOptional;
  const auto began = Waker::Clock::now();
  auto topology = client_.Observe(access);
  waker_.Looked(began, Waker::Clock::now());
  if (!topology) {
    board_.Fail(topology.error());
    desk_.SetBasis(nullptr);
    return std::nullopt;
  }
  lease_.NoteObserved(FindLease(*topology));
  for (const auto& gone : desk_.TakeUnbindings())
    history_.NoteUnbound(gone.vhost, gone.source, gone.queue, gone.routing_key);
  history_.Observe(*topology);

  Sources sources = files_.Gather(topology->parameters);
  auto unreachable = pool_.Probe(topology->nodes);
  auto basis = std::make_shared<PlanBasis>();
  basis->topology = std::move(*topology);
  basis->catalog = policies::Catalog::Build(sources.parameters);
  basis->limits = Limits(unreachable);
  basis->limits.growth_only = !sources.complete;
  Plan plan = MakePlan(basis->catalog, basis->topology, basis->limits, history_);

  std::set<StreamName> busy;
  for (const StreamPlan& stream : plan.streams) {
    basis->streams.insert({stream.vhost, stream.exchange});
    if (!stream.actions.empty()) busy.insert({stream.vhost, stream.exchange});
  }
  std::erase_if(failures, [&](const auto& entry) { return !busy.contains({entry.first.first, entry.first.second}); });
  std::map<std::string, std::string> addresses;
  auto running = TellOfNodes(basis->topology, events, addresses);
  const auto assignments = assignments_.view();
  sources.notices.insert(sources.notices.end(), assignments->notices.begin(), assignments->notices.end());
  board_.Publish({basis->topology, plan, std::move(sources), std::move(unreachable), std::move(addresses),
                  basis->catalog.drained_nodes(), std::move(problems), CountsAgeMs(basis->topology)},
                 failures);
  assignments_.SetCluster(board_.snapshot(), std::move(running));
  desk_.SetBasis(std::move(basis));
  return plan;
}

void Observer::Forget() {
  history_ = History();
  (void)desk_.TakeUnbindings();
}

void Observer::NoteRebound(const std::string& vhost, const std::string& queue) {
  history_.NoteRebound(vhost, queue, NowMs());
}

std::int64_t Observer::CountsAgeMs(const Topology& topology) const {
  return options_.statistics_interval.count() + kCacheFactor * topology.took_ms;
}

/// A file that went wrong leaves the passwords as they were.
std::vector<Error> Observer::ReadPasswords() {
  std::vector<Error> problems;
  if (const auto read = credentials_.Refresh(); !read) problems.push_back(read.error().Within("--credentials-file"));
  pool_.SetPasswords(credentials_.passwords());
  return problems;
}

PlanLimits Observer::Limits(const std::map<std::string, Error>& unreachable) const {
  PlanLimits limits;
  limits.own_username = options_.management.user;
  limits.known_users = credentials_.users();
  for (const auto& [node, error] : unreachable) limits.unreachable_nodes.push_back(node);
  limits.never_delete = options_.never_delete;
  limits.statistics_interval_ms = options_.statistics_interval.count();
  limits.stall_after_ms = options_.stall_after.count();
  return limits;
}

std::vector<amqp::Endpoint> Observer::TellOfNodes(const Topology& topology, EventSource* events,
                                                  std::map<std::string, std::string>& addresses) const {
  std::vector<amqp::Endpoint> running;
  for (const Node& node : topology.nodes) {
    const auto endpoint = NodeEndpoint(node, options_.pool.node_addresses, options_.pool.tls);
    if (!endpoint) continue;
    addresses.emplace(node.name, endpoint->ToString());
    if (node.running) running.push_back(*endpoint);
  }
  lease_.SetEndpoints(running);
  if (events != nullptr) events->SetEndpoints(running);
  return running;
}

}  // namespace warren::coordinator
