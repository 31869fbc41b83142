// warren-worker: AMQP in, HTTP out. Puts an HTTP application behind the shards of a stream.
#include <boost/asio/io_context.hpp>

#include "proxy/worker/options.h"
#include "shardmgr/program/logging.h"
#include "shardmgr/program/metrics.h"
#include "shardmgr/program/signals.h"

namespace {

using namespace warren;

int Explain(const Error& error) {
  program::Log(program::LogLevel::kError, "cannot start", error);
  return ExitCode(error.code);
}

int Run(worker::ProgramOptions options) {
  boost::asio::io_context context(1);
  std::unique_ptr<program::Signals> signals;
  std::unique_ptr<worker::Worker> worker;
  std::shared_ptr<worker::Upstream> upstream;
  const auto finish = [&] {
    worker->Stop([&] {
      signals->Stop();
      context.stop();
    });
    upstream->Stop();
  };
  const auto drain = [&] {
    program::NotifyStopping();
    program::Log(program::LogLevel::kInfo, "draining");
    worker->Drain(options.drain_timeout, finish);
  };
  signals = std::make_unique<program::Signals>(context.get_executor(), drain);

  auto metrics = std::make_shared<program::Metrics>("warren-worker");
  upstream = worker::Upstream::Make(
      context.get_executor(), options.upstream, [&](bool healthy) { worker->SetAccepting(healthy); },
      metrics->registry());
  worker = std::make_unique<worker::Worker>(
      context.get_executor(), options.worker,
      [&](const wire::Request&, worker::Responder responder) { upstream->Ask(std::move(responder)); },
      metrics->registry());
  const auto admin = program::AdminServer::Start(options.metrics_listen, metrics, [&] { return worker->readiness(); });
  if (!admin) return Explain(admin.error());

  worker->SetAccepting(false);  // Until the application can be reached.
  worker->Start();
  upstream->Start();
  program::NotifyReady();
  context.run();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const program::OptionSet set = worker::MakeOptionSet();
  const program::ParsedOrExit start = program::ParseOrExplain(set, argc, argv);
  if (!start.parsed) return start.exit_code;
  program::ConfigureLogging(*start.parsed);
  Result<worker::ProgramOptions> options = worker::ReadOptions(*start.parsed);
  return options ? Run(std::move(*options)) : Explain(options.error());
}
