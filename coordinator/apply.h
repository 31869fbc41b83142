// Applier: carries out plans over AMQP. Streams go side by side (bounded) and never affect each other.
//
// The actions of a stream are taken in groups: consecutive ones of the same kind. A group begins when the
// one before it is done; in it, declares and deletes go over the connections of their nodes side by side,
// bindings one behind the other on one channel, so that a ring gets the plan's order. After a failure the
// groups that follow are left for the next plan. A stream with a local-username of its own goes over
// connections of that user. Before anything is sent the warrant, if there is one, is asked whether it still may be.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "coordinator/node_pool.h"
#include "coordinator/warrant.h"
#include "shardmgr/plan/plan.h"

namespace warren::coordinator {

struct ActionOutcome {
  ActionKind kind = ActionKind::kDeclareShard;
  std::string exchange;    ///< As in the plan; the binding's source.
  std::string queue;       ///< As in the plan; empty for exchanges.
  std::string action;      ///< Action::ToString()
  bool attempted = false;  ///< False: an earlier step of the stream failed, or somebody else leads.
  Result<void> result;
};

struct StreamOutcome {
  std::string vhost;
  std::string exchange;
  std::vector<ActionOutcome> actions;  ///< As in the plan.

  const ActionOutcome* failure() const;  ///< The first that was attempted and failed; null: none did.
  std::size_t succeeded() const;
};

/// Environment variable: the process ends itself with SIGKILL right after that many successful actions, which
/// it then takes one at a time. For tests of what a coordinator that dies leaves behind.
inline constexpr const char* kKillVariable = "WARREN_TEST_KILL_AFTER_ACTIONS";

class Applier {
 public:
  /// `on_late`: with what became of a stream that Apply did not wait for. Pool's thread. `warrant`, unless null,
  /// outlives the pool.
  explicit Applier(NodePool& pool, std::function<void(const StreamOutcome&)> on_late = {}, Warrant* warrant = nullptr);
  ~Applier();  ///< After the pool's.

  /// Blocks until every stream with actions is done, or all but a few that have been at it for three seconds (one slow
  /// stream must not hold up the others; it goes on), or until `stopped` says so (asked ten times a second; what is
  /// under way then is abandoned). An action that takes more than 30 s fails its stream. A stream that
  /// TryApply has under way, or has changed since the plan's observation, is left out. Not on the pool's thread; one
  /// call at a time. `term` is the warrant's as it was before the plan's observation: with its end everything ends.
  std::vector<StreamOutcome> Apply(const Plan& plan, const std::function<bool()>& stopped, std::uint64_t term = 0);

  /// A client has declared an exchange: while more of them follow, work waits for them (declare_pace.h). Pool's thread.
  void NoteDeclared();
  /// Whether TryApply would take the stream now. Pool's thread.
  bool CanTry(const StreamName& stream) const;
  /// One stream, without blocking; `done` on the pool's thread. False, and nothing is done, while that stream or
  /// too many others are under way, or the warrant's lead is not held. Pool's thread.
  bool TryApply(const StreamPlan& stream, std::function<void(StreamOutcome)> done);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace warren::coordinator
