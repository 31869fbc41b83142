// Between std::string_view and rabbitmq-c's amqp_bytes_t. Neither owns anything.
#pragma once

#include <amqp.h>

#include <string_view>

namespace warren::amqp {

inline std::string_view View(const amqp_bytes_t& bytes) { return {static_cast<const char*>(bytes.bytes), bytes.len}; }

inline amqp_bytes_t Bytes(std::string_view text) { return {text.size(), const_cast<char*>(text.data())}; }

}  // namespace warren::amqp
