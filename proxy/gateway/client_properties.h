// What a client says of itself in connection.start-ok (AMQP 0-9-1, section 1.4.2.3): who it is, as far as its SASL
// mechanism shows that, and whether it wants to hear of consumers that the broker ends. The gateway has to hear of
// them whatever the client wants, so it asks the broker for it in the client's place. Tables are walked without
// recursion; what is not well formed is left as it is. Pure.
#pragma once

#include <string>
#include <string_view>

namespace warren::gateway {

struct StartOk {
  bool well_formed = false;
  std::string user;                  ///< Empty: the mechanism does not show it. Never a password.
  bool wants_cancel_notice = false;  ///< capability consumer_cancel_notify (RabbitMQ's extension)
  /// The arguments with that capability set; empty: they have it, or cannot be changed.
  std::string changed;
};

/// `arguments` of connection.start-ok.
StartOk ReadStartOk(std::string_view arguments);

}  // namespace warren::gateway
