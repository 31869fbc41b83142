// The options of warren-worker, and what they mean to its parts. Values only.
#pragma once

#include <chrono>

#include "policies/error.h"
#include "proxy/worker/upstream.h"
#include "proxy/worker/worker.h"
#include "shardmgr/program/options.h"

namespace warren::worker {

struct ProgramOptions {
  WorkerOptions worker;
  UpstreamOptions upstream;
  program::Address metrics_listen;
  std::chrono::milliseconds drain_timeout{30'000};
};

program::OptionSet MakeOptionSet();

/// Errors: kConfiguration. Reads the password file.
Result<ProgramOptions> ReadOptions(const program::Parsed& parsed);

}  // namespace warren::worker
