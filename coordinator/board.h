// Board: where the loop puts up what it knows, for everybody to read: the snapshot, the log of what changed,
// and the journal's entries about conditions and nodes. Nobody waits for the loop: readers take the last one.
//
// Publish and Fail belong to the loop's thread; snapshot() to any.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "coordinator/journal.h"
#include "coordinator/sources.h"
#include "coordinator/status.h"
#include "shardmgr/program/logging.h"

namespace warren::coordinator {

/// What Publish makes a snapshot of.
struct Findings {
  const Topology& topology;
  const Plan& plan;
  Sources sources;
  std::map<std::string, Error> unreachable;  ///< Running nodes that do not answer.
  std::map<std::string, std::string> addresses;
  std::vector<std::string> drained_nodes;
  std::vector<Error> problems;     ///< Of files that are not policies.
  std::int64_t counts_age_ms = 0;  ///< How old the counts of the topology may be.
};

class Board {
 public:
  using Failures = std::map<std::pair<std::string, std::string>, Error>;  ///< By vhost and exchange.

  explicit Board(Journal& journal) : journal_(journal) {}

  void Publish(Findings findings, const Failures& failures);
  void Fail(const Error& error);  ///< An observation failed: what is known grows stale.

  std::shared_ptr<const Snapshot> snapshot() const;  ///< Never null.

 private:
  /// Something that holds now, and is told of when it begins and when it is over.
  struct Fact {
    program::LogLevel level = program::LogLevel::kInfo;
    std::string begins, ends;  ///< Kinds of journal entries; empty: the journal does not have it.
    std::string vhost, exchange, message;
    std::string reason;
  };
  using Facts = std::map<std::string, Fact>;

  static Facts FactsOf(const Snapshot& snapshot);
  void Tell(Facts facts);
  void TellOfNodes(const Snapshot& before, const Snapshot& now);
  void Store(std::shared_ptr<const Snapshot> snapshot);

  Journal& journal_;
  ConditionBook book_;
  CoverageBook coverage_;
  Facts told_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Snapshot> snapshot_ = std::make_shared<const Snapshot>();
};

}  // namespace warren::coordinator
