// Puts properties on the wire and takes them off again with the same code that a connection uses.
#pragma once

#include <amqp.h>
#include <amqp_framing.h>

#include <string>
#include <vector>

#include "shardmgr/broker/amqp/bytes.h"

namespace warren::wire {

/// The encoded property list of a basic content header.
inline std::string Encoded(const amqp_basic_properties_t& properties) {
  std::string bytes(1u << 20, '\0');
  amqp_basic_properties_t copy = properties;
  const int size = amqp_encode_properties(AMQP_BASIC_CLASS, &copy, amqp::Bytes(bytes));
  bytes.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  return bytes;
}

/// Properties decoded from bytes; owns the memory that they point to. `properties` is null where
/// rabbitmq-c refused the bytes.
class Decoded {
 public:
  explicit Decoded(std::string bytes) : bytes_(std::move(bytes)) {
    init_amqp_pool(&pool_, 4096);
    void* decoded = nullptr;
    if (amqp_decode_properties(AMQP_BASIC_CLASS, &pool_, amqp::Bytes(bytes_), &decoded) >= 0) {
      properties = static_cast<amqp_basic_properties_t*>(decoded);
    }
  }
  ~Decoded() { empty_amqp_pool(&pool_); }
  Decoded(const Decoded&) = delete;
  Decoded& operator=(const Decoded&) = delete;

  const amqp_basic_properties_t* properties = nullptr;

 private:
  std::string bytes_;
  amqp_pool_t pool_{};
};

}  // namespace warren::wire
