// Observer: one look at the cluster and what it comes to: passwords, topology, history, files, nodes that do
// not answer, plan. The board gets it for everybody to read, the event desk to judge events by.
//
// The loop's thread; blocks in requests and in the probe of the nodes.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "coordinator/assign_desk.h"
#include "coordinator/board.h"
#include "coordinator/credentials_file.h"
#include "coordinator/event_desk.h"
#include "coordinator/events.h"
#include "coordinator/lease.h"
#include "coordinator/reconciler.h"
#include "coordinator/sources.h"
#include "shardmgr/plan/history.h"

namespace warren::coordinator {

class Observer {
 public:
  Observer(const ReconcilerOptions& options, NodePool& pool, Waker& waker, Board& board, EventDesk& desk, Lease& lease,
           AssignDesk& assignments)
      : options_(options),
        pool_(pool),
        waker_(waker),
        board_(board),
        desk_(desk),
        lease_(lease),
        assignments_(assignments),
        client_(options.management),
        credentials_(options.credentials_file),
        files_(options.policies_dir) {}

  /// Reads the credentials file, and says what is wrong with it. kConfiguration.
  Result<void> Check() { return credentials_.Refresh(); }

  /// The plan; unset where the cluster could not be observed. A failure of `failures` whose stream needs nothing
  /// any more is over. `events`, unless null, and the lease learn the nodes' addresses.
  std::optional<Plan> Look(Board::Failures& failures, EventSource* events);

  /// Begins anew with what only many observations show: it was gathered beside another who acted.
  void Forget();
  /// Of an unbind and a bind of one queue that were carried out.
  void NoteRebound(const std::string& vhost, const std::string& queue);

 private:
  PlanLimits Limits(const std::map<std::string, Error>& unreachable) const;
  std::vector<Error> ReadPasswords();
  std::int64_t CountsAgeMs(const Topology& topology) const;
  /// The addresses of the nodes that run; of all nodes, by name, in `addresses`.
  std::vector<amqp::Endpoint> TellOfNodes(const Topology& topology, EventSource* events,
                                          std::map<std::string, std::string>& addresses) const;

  const ReconcilerOptions& options_;
  NodePool& pool_;
  Waker& waker_;
  Board& board_;
  EventDesk& desk_;
  Lease& lease_;
  AssignDesk& assignments_;
  management::Client client_;
  CredentialsFile credentials_;
  FileSources files_;
  History history_;
};

}  // namespace warren::coordinator
