// AssignDesk: the coordinator's dealings with the consumers of all streams. Hears them in every vhost that has streams
// (control_link.h), keeps account of them (consumer_book.h), finds the nodes they are on (inbox_finder.h), works out
// who consumes what when something changes (reassign.h), and, while this coordinator leads, tells them. One that
// follows does all of this but the telling, so that it can go on at once. docs/adr/0013-assignments.md
//
// Threads: it has one of its own, on which all of this runs, so that no flood of hellos holds up the lease or an apply.
// All calls from any thread; none waits.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "coordinator/assignment_view.h"
#include "coordinator/cluster_event.h"
#include "coordinator/journal.h"
#include "coordinator/lease.h"
#include "coordinator/status.h"
#include "shardmgr/broker/management/client.h"

namespace warren::coordinator {

struct AssignDeskOptions {
  amqp::Credentials credentials;
  std::string tls_ca_file;
  management::ClientOptions management;
  std::chrono::milliseconds statistics_interval{5'000};
};

class AssignDesk {
 public:
  AssignDesk(AssignDeskOptions options, const Lease& lease, Journal& journal);
  ~AssignDesk();

  /// Begins; until then and after Stop every call but view() does nothing.
  void Start();
  void Stop();

  /// What was observed last, and the nodes that run.
  void SetCluster(std::shared_ptr<const Snapshot> snapshot, std::vector<amqp::Endpoint> running);
  /// An inbox that is deleted is a consumer less.
  void OnEvent(const ClusterEvent& event);
  /// Who leads may have changed.
  void OnLease();

  std::shared_ptr<const AssignmentView> view() const;  ///< Never null.

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace warren::coordinator
