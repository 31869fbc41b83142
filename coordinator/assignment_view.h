// AssignmentView: who consumes what, as an immutable value for REST API and metrics; a new one replaces it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "coordinator/given_shards.h"
#include "shardmgr/plan/plan.h"

namespace warren::coordinator {

struct AssignedConsumer {
  StreamName stream;
  std::string instance;
  std::string kind;
  std::string node;                               ///< Empty: not found yet.
  std::shared_ptr<const GivenShards> assignment;  ///< Null: none yet.
  std::int64_t since_ms = 0;                      ///< Unix time of its first hello.
  std::int64_t last_seen_ms = 0;                  ///< Of its last.
};

struct AssignmentView {
  std::vector<AssignedConsumer> consumers;       ///< By stream, then instance.
  std::map<StreamName, std::size_t> per_stream;  ///< How many each has that has any.
  std::vector<std::string> notices;              ///< Where consumers are not told what to consume, and why.
};

}  // namespace warren::coordinator
