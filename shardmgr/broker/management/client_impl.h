// What the operations of Client share; internal to shardmgr/broker/management.
#pragma once

#include "shardmgr/broker/management/caller.h"
#include "shardmgr/broker/management/client.h"

namespace warren::management {

struct Client::Impl {
  explicit Impl(ClientOptions options) : caller(std::move(options)) {}

  /// GET, then `parse`; a parse error gets what was done as context.
  template <class Parse>
  auto Read(std::initializer_list<std::string_view> segments, std::string_view columns, const std::string& what,
            Parse parse) const -> decltype(parse(nlohmann::json())) {
    auto document = caller.Get(segments, columns, what);
    if (!document) return tl::unexpected(document.error());
    auto value = parse(*document);
    if (!value) return tl::unexpected(value.error().Within(what));
    return value;
  }

  Caller caller;
};

/// Fields asked for of each queue, binding and so on, so that answers stay small.
inline constexpr std::string_view kQueueColumns =
    "vhost,name,node,leader,type,state,durable,auto_delete,exclusive,arguments,messages_ready,"
    "messages_unacknowledged,consumers,message_stats.publish,message_stats.publish_details.rate,"
    "message_stats.deliver_get_details.rate,members,policy,operator_policy,effective_policy_definition";
inline constexpr std::string_view kBindingColumns = "vhost,source,destination,destination_type,routing_key,arguments";

}  // namespace warren::management
