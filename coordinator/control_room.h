// ControlRoom: a ControlLink to each vhost that has streams, and how well consumers are heard there.
//
// Threads: all calls and callbacks on the executor.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/control_link.h"
#include "coordinator/ear.h"

namespace warren::coordinator {

class ControlRoom {
 public:
  /// Vhosts beyond are not listened to; a notice says so.
  static constexpr std::size_t kMostVhosts = 256;

  struct Handlers {
    std::function<void(const std::string& vhost, const ControlMessage&)> on_message;
    std::function<void(const std::string& vhost, const std::string& inbox)> on_returned;
    std::function<void(const std::string& vhost)> on_heard;   ///< Consumers are heard from now on, perhaps again.
    std::function<void(const std::string& vhost)> on_closed;  ///< It has no streams any more.
    std::function<void()> on_notice;                          ///< notices() may have changed.
  };

  /// `options` without a vhost.
  ControlRoom(boost::asio::any_io_executor executor, ControlLinkOptions options, Handlers handlers);

  void SetVhosts(const std::set<std::string>& vhosts, const std::vector<amqp::Endpoint>& running);
  /// Something changed there, perhaps what was missing.
  void Retry(const std::string& vhost);
  /// False: Send would not send there now, so that there is no need to write a message first.
  bool CanSend(const std::string& vhost) const;
  bool Send(const std::string& vhost, const std::string& inbox, std::string_view body);

  /// Looks whether consumers can speak: not where the broker takes no messages. `alarm`: it runs short somewhere.
  void Look(bool alarm);
  /// Null: nobody listens in that vhost.
  Ear* ear(const std::string& vhost);
  /// Where consumers cannot be heard, and what helps.
  std::vector<std::string> notices() const;

 private:
  struct Link {
    std::unique_ptr<ControlLink> control;
    Ear ear;
    bool hears = false;
    bool was_heard = false;
    std::string problem;
  };

  void Update(const std::string& vhost, Link& link);
  void Open(const std::string& vhost);
  void OnState(const std::string& vhost, bool hears, const std::string& problem);

  const boost::asio::any_io_executor executor_;
  const ControlLinkOptions options_;
  const Handlers handlers_;
  std::map<std::string, Link> links_;  ///< By vhost.
  std::size_t left_out_ = 0;           ///< Vhosts.
  bool alarm_ = false;
};

}  // namespace warren::coordinator
