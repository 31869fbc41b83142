// Questions to the management API, one at a time.
#include "proxy/worker/looked_up_shards.h"

#include <utility>

#include "shardmgr/program/logging.h"

namespace warren::worker {

LookedUpShards::LookedUpShards(ClusterView& cluster, std::string vhost, std::string exchange,
                               std::shared_ptr<const Standpoint> standpoint, SourceHooks hooks)
    : cluster_(cluster),
      vhost_(std::move(vhost)),
      exchange_(std::move(exchange)),
      standpoint_(std::move(standpoint)),
      hooks_(std::move(hooks)) {}

void LookedUpShards::Look() {
  if (*standpoint_->asking) return;
  if (standpoint_->self.node.empty()) return FindNode();
  *standpoint_->asking = true;
  cluster_.Look(vhost_, exchange_, [weak = weak_from_this(), asking = standpoint_->asking](Result<StreamView> view) {
    *asking = false;
    if (const auto self = weak.lock()) self->OnView(std::move(view));
  });
}

// A queue of this connection alone lives on the node of the connection, also behind a load balancer.
void LookedUpShards::FindNode() {
  if (standpoint_->inbox->empty()) return;
  *standpoint_->asking = true;
  cluster_.FindNode(vhost_, *standpoint_->inbox,
                    [weak = weak_from_this(), asking = standpoint_->asking](Result<std::string> node) {
                      *asking = false;
                      const auto self = weak.lock();
                      if (!self) return;
                      if (!node) return self->Complain("cannot find out the node of the connection", node.error());
                      self->hooks_.on_node(std::move(*node));
                      self->Look();
                    });
}

void LookedUpShards::OnView(Result<StreamView> view) {
  if (!view) return Complain("cannot look at the stream", view.error());
  last_error_.clear();
  Wanted wanted;
  const Identity& self = standpoint_->self;
  wanted.shards = ShardsToHold(self, exchange_, view->shards, view->consumers, standpoint_->holdings->held());
  wanted.local = CountLocal(self.node, exchange_, wanted.shards);
  hooks_.on_wanted(std::move(wanted));
}

// The API is for finding shards, not for serving them.
void LookedUpShards::Complain(const char* what, const Error& error) {
  const std::string text = error.ToString();
  const bool known = text == last_error_;
  program::Log(known ? program::LogLevel::kDebug : program::LogLevel::kWarning, what, error);
  last_error_ = text;
  hooks_.on_blind(std::string(what) + ": " + text);
}

}  // namespace warren::worker
