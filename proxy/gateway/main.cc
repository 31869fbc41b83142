// warren-gateway: AMQP in and out. Options, logging, the server; everything else is in server.h.
#include "proxy/gateway/options.h"
#include "proxy/gateway/server.h"
#include "shardmgr/program/logging.h"

int main(int argc, char** argv) {
  using namespace warren;
  const auto set = gateway::MakeOptionSet();
  auto start = program::ParseOrExplain(set, argc, argv);
  if (!start.parsed) return start.exit_code;
  program::ConfigureLogging(*start.parsed);
  auto options = gateway::ReadOptions(*start.parsed);
  const auto fail = [](const Error& error) {
    program::Log(program::LogLevel::kError, "cannot start", error);
    return ExitCode(error.code);
  };
  if (!options) return fail(options.error());
  auto server = gateway::Server::Make(std::move(*options));
  if (!server) return fail(server.error());
  return (*server)->Run();
}
