// AssignedShards: the source that a coordinator is. Nothing is looked up: it says the same until the next assignment.
#pragma once

#include <utility>

#include "proxy/worker/shard_source.h"

namespace warren::worker {

class AssignedShards final : public ShardSource {
 public:
  AssignedShards(Wanted wanted, SourceHooks hooks) : wanted_(std::move(wanted)), hooks_(std::move(hooks)) {}

  SourceKind kind() const override { return SourceKind::kCoordinator; }
  void Look() override { hooks_.on_wanted(wanted_); }

 private:
  const Wanted wanted_;
  SourceHooks hooks_;
};

}  // namespace warren::worker
