// warren-coordinator: the control plane daemon. Options, then the parts, then it runs until a signal.
#include <malloc.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/host_name.hpp>
#include <future>
#include <iostream>
#include <thread>

#include "coordinator/api/server.h"
#include "coordinator/clock.h"
#include "coordinator/reconciler.h"
#include "coordinator/telemetry.h"
#include "shardmgr/program/logging.h"
#include "shardmgr/program/options.h"
#include "shardmgr/program/settings.h"
#include "shardmgr/program/signals.h"

namespace warren::coordinator {
namespace {

using program::Log;
using program::LogLevel;
using program::OptionKind;
using program::Parsed;

constexpr std::chrono::seconds kStopPatience{3};
constexpr std::chrono::seconds kLongestEnd{5};

program::OptionSet Options() {
  using namespace program;  // NOLINT: the names of option groups.
  OptionSet options("warren-coordinator", "[OPTIONS]",
                    "Keeps the shards of sharded exchanges right on every node of a RabbitMQ cluster.");
  options.Take(kManagementOption | kNodeOption | kNodeAddressOption | kCredentialOptions | kTlsOption | kLogOptions)
      .Add({.name = "policies-dir",
            .placeholder = "DIR",
            .help = "Folder of *.json files with definitions and policies, beside the broker's global parameters."})
      .Add({.name = "interval",
            .kind = OptionKind::kDuration,
            .placeholder = "DURATION",
            .default_value = "5s",
            .help = "Longest pause between two looks at the cluster.",
            .minimum = 100})
      .Add({.name = "statistics-interval",
            .kind = OptionKind::kDuration,
            .placeholder = "DURATION",
            .default_value = "5s",
            .help = "The broker's collect_statistics_interval: how old its message counts may be.",
            .minimum = 100})
      .Add({.name = "stall-after",
            .kind = OptionKind::kDuration,
            .placeholder = "DURATION",
            .default_value = "30s",
            .help = "A drain that makes no progress for longer is reported as stalled.",
            .minimum = 1'000})
      .Add({.name = "never-delete", .kind = OptionKind::kFlag, .help = "Delete no queue, drained or not."})
      .Add({.name = "credentials-file",
            .placeholder = "FILE",
            .help = "JSON object of users and passwords for local-username; not for others to read."})
      .Add({.name = "once", .kind = OptionKind::kFlag, .help = "Converge once, print a summary and exit."})
      .Add({.name = "token-file",
            .placeholder = "FILE",
            .help = "Token that whoever uses the REST API has to show; not for others to read."})
      .Listen("127.0.0.1:15680", "Where the REST API listens; without --token-file a loopback address.")
      .MetricsListen("127.0.0.1:15681");
  return options;
}

/// What other coordinators, and whoever asks them, are told of who leads.
std::string OwnName(const Parsed& parsed) {
  const program::Address address = parsed.ListenAddress("listen");
  const bool has_address = !parsed.Flag("once") && address.port != 0;
  const std::string what = has_address ? "http://" + address.ToString() : "process " + std::to_string(getpid());
  return what + " on " + boost::asio::ip::host_name();
}

Result<ReconcilerOptions> Settings(const Parsed& parsed) {
  auto credentials = program::ReadCredentials(parsed);
  if (!credentials) return tl::unexpected(credentials.error());
  ReconcilerOptions options;
  options.interval = parsed.Duration("interval");
  options.statistics_interval = parsed.Duration("statistics-interval");
  options.stall_after = parsed.Duration("stall-after");
  options.never_delete = parsed.Flag("never-delete");
  options.name = OwnName(parsed);
  options.policies_dir = parsed.Text("policies-dir");
  options.credentials_file = parsed.Text("credentials-file");
  options.management.urls = parsed.List("management");
  options.management.user = credentials->user;
  options.management.password = credentials->password;
  options.management.tls_ca_file = parsed.Text("tls-ca-file");
  options.pool.credentials = *credentials;
  options.pool.tls_ca_file = parsed.Text("tls-ca-file");
  options.pool.node_addresses = parsed.NodeAddresses();
  for (const amqp::Endpoint& node : parsed.Endpoints("node")) options.pool.tls = options.pool.tls || node.tls;
  return options;
}

int Explain(const Error& error) {
  std::cerr << "warren-coordinator: " << error.ToString() << "\n";
  return ExitCode(error.code);
}

int CountDraining(const Snapshot& snapshot) {
  int count = 0;
  for (const StreamStatus& stream : snapshot.streams) {
    for (const Shard& shard : stream.plan.shards) count += shard.state == ShardState::kDraining ? 1 : 0;
  }
  return count;
}

/// --once: what became of each stream, and the exit code.
int Summarise(const Snapshot& snapshot, const LeaseStatus& lease, const RunReport& report) {
  if (report.outcome == RunOutcome::kUnobserved) return Explain(*snapshot.observation_error);
  const int draining = CountDraining(snapshot);
  bool all_ready = report.outcome == RunOutcome::kConverged && snapshot.problems.empty() && draining == 0;
  for (const StreamStatus& stream : snapshot.streams) {
    all_ready = all_ready && (stream.ready() || stream.plan.orphaned());
    std::cout << stream.plan.vhost << " " << stream.plan.exchange << ": " << stream.state() << ", "
              << stream.plan.shards.size() << " shards\n";
    for (const TimedCondition& timed : stream.conditions) {
      if (timed.condition.type == ConditionType::kReady) continue;
      std::cout << "  " << timed.condition.reason << ": " << timed.condition.message << "\n";
    }
  }
  if (draining > 0) {
    std::cout << draining
              << " shards still drain; they are deleted once their messages are consumed and no consumer is left\n";
  }
  for (const Condition& problem : snapshot.problems) std::cout << problem.reason << ": " << problem.message << "\n";
  if (lease.role == Role::kFollower)
    std::cout << "another coordinator leads and acts: " << lease.leader << "; this run watched it\n";
  std::cout << snapshot.streams.size() << " streams, " << report.applied << " actions done, " << report.failed
            << " failed\n";
  return all_ready ? 0 : ExitCode(ErrorCode::kPartial);
}

int RunOnce(Reconciler& reconciler) {
  const RunReport report = reconciler.ConvergeOnce();
  return Summarise(*reconciler.snapshot(), reconciler.lease(), report);
}

/// Runs the loop on a thread of its own until a signal; then waits a little for it to end.
int RunUntilSignal(Reconciler& reconciler) {
  boost::asio::io_context io{1};
  program::Signals signals(io.get_executor(), [&io] { io.stop(); });
  std::promise<void> ended;
  std::thread loop([&] {
    reconciler.Run();
    ended.set_value();
  });
  program::NotifyReady();
  io.run();
  program::NotifyStopping();
  // What still waits for somebody else (a request, a host name) holds nothing worth saving.
  std::thread([] {
    std::this_thread::sleep_for(kLongestEnd);
    std::_Exit(0);
  }).detach();
  reconciler.Stop();
  if (ended.get_future().wait_for(kStopPatience) != std::future_status::ready) {
    // It waits for an answer of the management API that does not come; it holds nothing worth saving.
    Log(LogLevel::kWarning, "a request is still waiting for its answer; leaving without it");
    std::_Exit(0);
  }
  loop.join();
  return 0;
}

int RunDaemon(const Parsed& parsed, const management::ClientOptions& management, Reconciler& reconciler) {
  auto token = program::ReadToken(parsed);
  if (!token) return Explain(token.error());
  auto metrics = std::make_shared<program::Metrics>("warren-coordinator");
  RegisterTelemetry(metrics, reconciler);
  const auto editor = EditorOfBroker(management, [&reconciler] { reconciler.Trigger(); });
  const auto context = [&reconciler, &editor] {
    return ApiContext{
        .view = {reconciler.snapshot(), NowMs(), reconciler.events(), &reconciler.journal(), reconciler.lease(),
                 reconciler.assignments()},
        .interval = reconciler.interval(),
        .trigger = [&reconciler] { reconciler.Trigger(); },
        .set_drain = [&reconciler](const std::string& node, bool drain) { return reconciler.SetDrain(node, drain); },
        .editor = editor.get()};
  };
  const auto readiness = [&reconciler] {
    return CoordinatorReadiness(*reconciler.snapshot(), reconciler.events(), NowMs(), reconciler.interval(),
                                reconciler.lease().ToString());
  };
  auto admin = program::AdminServer::Start(parsed.ListenAddress("metrics-listen"), metrics, readiness);
  if (!admin) return Explain(admin.error());
  auto api = ApiServer::Start(parsed.ListenAddress("listen"), {*std::move(token)}, context);
  if (!api) return Explain(api.error());
  return RunUntilSignal(reconciler);
}

/// Each look makes and drops tens of megabytes on several threads; an allocator with an arena for each of them keeps
/// the most that each ever used. With 6,000 shards: 66 MiB resident instead of 96.
void KeepMemoryTogether() {
#ifdef M_ARENA_MAX
  mallopt(M_ARENA_MAX, 2);
#endif
}

int Main(int argc, char** argv) {
  KeepMemoryTogether();
  const auto [parsed, exit_code] = program::ParseOrExplain(Options(), argc, argv);
  if (!parsed) return exit_code;
  program::ConfigureLogging(*parsed);
  auto settings = Settings(*parsed);
  if (!settings) return Explain(settings.error());
  const management::ClientOptions management = settings->management;
  Reconciler reconciler(std::move(*settings));
  if (const auto usable = reconciler.Check(); !usable)
    return Explain(usable.error().Within(parsed->Origin("credentials-file")));
  return parsed->Flag("once") ? RunOnce(reconciler) : RunDaemon(*parsed, management, reconciler);
}

}  // namespace
}  // namespace warren::coordinator

int main(int argc, char** argv) { return warren::coordinator::Main(argc, argv); }
