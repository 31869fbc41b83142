// Links: the desk's connections to nodes, two for each node and virtual host that has consumers (the desk's own virtual
// host has one always), and over them the talk of each group with coordinators.
//
// Threads: everything on one executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "proxy/control/assignment_client.h"
#include "proxy/gateway/groups.h"
#include "proxy/gateway/look.h"
#include "proxy/gateway/node_link.h"

namespace warren::gateway {

struct LinksOptions {
  std::vector<amqp::Endpoint> nodes;
  amqp::Credentials credentials;
  std::string vhost;  ///< In which there is a link to each node from the start.
  std::string tls_ca_file;
  std::string instance;
};

class Links {
 public:
  struct Hooks {
    std::function<void(std::size_t upstream, bool up)> on_node;
    std::function<void(const Error& error)> on_failure;  ///< Of a link to a node.
    /// What Ask says of this virtual host's shards at this node may be something else now.
    std::function<void(std::size_t upstream, const std::string& vhost)> on_link;
    std::function<void(std::size_t upstream, const std::string& vhost, const std::string& queue)> on_checked;
    std::function<void()> on_inbox;  ///< There is a new inbox.
    std::function<std::vector<std::string>(const GroupKey&)> holds;
    std::function<void(const GroupKey&, const Assignment&)> on_assignment;
    std::function<void(const GroupKey&)> on_silent;
  };

  Links(boost::asio::any_io_executor executor, LinksOptions options, Hooks hooks);

  void Start();
  void Stop();  ///< Says bye for each group, and closes everything.

  /// A group begins, or ends.
  void Open(const GroupKey& key);
  void Close(const GroupKey& key);

  Presence Ask(const GroupKey& key, const std::string& queue);
  /// A consumer of this group's on `queue` was ended.
  void Lost(const GroupKey& key, const std::string& queue);
  /// The shards of this node (empty: of any) have to be seen again.
  void Doubt(const StreamMap& streams, const std::string& node);
  /// A look: shards that are down or gone have to be seen again. Closes connections that were of no use for a while.
  void OnStreams(const StreamMap& streams);

  std::map<QueueKey, std::size_t> inboxes() const;  ///< To upstreams.

 private:
  using Clock = std::chrono::steady_clock;
  using Place = std::pair<std::size_t, std::string>;  // upstream, virtual host
  struct Line {
    std::unique_ptr<NodeLink> link;
    std::map<std::string, std::shared_ptr<control::AssignmentClient>> talks;  ///< By exchange; null: not yet.
    std::map<std::string, Clock::time_point> byes;                            ///< When they were said.
    Clock::time_point idle_since{};                                           ///< Has no group.
  };

  Line& OpenLine(const Place& place);
  void Talk(const Place& place, const std::string& exchange);
  void TalkAll(const Place& place);
  void EndTalks(const Place& place);
  void OnLost(const Place& place);
  void TellRefused(const Place& place);
  void TellSilent(const Place& place);
  void OnAssignment(const Place& place, std::string_view body);
  void TellNode(const Place& place);

  boost::asio::any_io_executor executor_;
  const LinksOptions options_;
  const Hooks hooks_;
  std::map<Place, Line> lines_;
  bool stopped_ = false;
};

}  // namespace warren::gateway
