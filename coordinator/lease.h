// Lease: which of several coordinators leads. Holding it is having the exclusive queue warren.lease of vhost "/",
// declared on a connection with a 5 s heartbeat; the broker gives it to one connection at a time and takes it back
// when that ends.
//
// Whoever leads declares the queue again each second: each answer proves that it is still its own. Ten seconds (two
// heartbeats) after it sent the last call that was answered it no longer takes itself for the leader; the broker,
// which counts from when it got that call, waits at least as long before it gives the lease to another. Whoever
// follows waits until it hears or sees that the queue is gone, and asks now and then in any case: each refusal is a
// line in the broker's log. A user who may not declare the queue acts alone. docs/adr/0010-lease.md
//
// Threads: Confirm and all callbacks on the executor, which runs one handler at a time; the rest from any.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/cluster_event.h"
#include "coordinator/lease_queue.h"
#include "coordinator/warrant.h"
#include "shardmgr/broker/amqp/types.h"

namespace warren::coordinator {

enum class Role {
  kSeeking,   ///< It does not know yet, or cannot: nothing is done.
  kLeader,    ///< It acts.
  kFollower,  ///< Another one leads: it looks, serves reads, and waits.
  kAlone,     ///< There is no lease to be had: it acts, as if it were the only one.
};
std::string_view Name(Role role);

struct LeaseStatus {
  Role role = Role::kSeeking;
  std::string leader;                          ///< Name of the one that leads; empty: not known, or none does.
  std::string reason = "no node answers yet";  ///< Of kSeeking and kAlone: why.

  bool acts() const { return role == Role::kLeader || role == Role::kAlone; }
  /// For people: "leads", "follows http://127.0.0.1:15680 on host1", "acts alone: …", "does not lead: …".
  std::string ToString() const;
  bool operator==(const LeaseStatus&) const = default;
};

struct LeaseOptions {
  amqp::Credentials credentials;
  std::string tls_ca_file;
  std::string name;  ///< Of this coordinator, as the others show it.
};

class Lease : public Warrant {
 public:
  Lease(boost::asio::any_io_executor executor, LeaseOptions options, std::function<void(const LeaseStatus&)> on_change);
  ~Lease() override;  ///< When the executor has stopped.

  /// The nodes to ask, in this order. A connection to one of them stays.
  void SetEndpoints(std::vector<amqp::Endpoint> endpoints);
  /// What an observation shows: who holds it, and whether it is free.
  void NoteObserved(std::optional<LeaseQueue> queue);
  /// The cluster cannot be observed: whoever leads makes way for one that sees more. Until NoteObserved.
  void NoteBlind(std::string reason);
  /// Takes note of a release that is heard of before it is observed.
  void OnEvent(const ClusterEvent& event);
  /// Gives up waiting: from now on it acts without a lease.
  void ActAlone(std::string reason);
  /// Nothing is done from now on; the next coordinator may lead at once.
  void Release();

  LeaseStatus status() const;
  std::uint64_t term() const override;
  void Confirm(std::uint64_t term, bool fresh, std::function<void(bool)> done) override;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace warren::coordinator
