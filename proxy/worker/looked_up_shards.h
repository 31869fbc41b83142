// LookedUpShards: the source where no coordinator assigns: the shards of the stream and who consumes them, as the
// management API shows them, and the rule of coverage_rule.h that every worker goes by.
//
// Threads: everything on the worker's executor.
#pragma once

#include <memory>
#include <string>

#include "proxy/worker/cluster_view.h"
#include "proxy/worker/shard_source.h"

namespace warren::worker {

class LookedUpShards final : public ShardSource, public std::enable_shared_from_this<LookedUpShards> {
 public:
  /// `cluster` outlives it.
  LookedUpShards(ClusterView& cluster, std::string vhost, std::string exchange,
                 std::shared_ptr<const Standpoint> standpoint, SourceHooks hooks);

  SourceKind kind() const override { return SourceKind::kManagement; }
  void Look() override;

 private:
  void FindNode();
  void OnView(Result<StreamView> view);
  void Complain(const char* what, const Error& error);

  ClusterView& cluster_;
  const std::string vhost_, exchange_;
  std::shared_ptr<const Standpoint> standpoint_;
  SourceHooks hooks_;
  std::string last_error_;
};

}  // namespace warren::worker
