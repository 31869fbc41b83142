// Arguments: reading and writing the fields of AMQP methods (AMQP 0-9-1, section 4.2.5) as far as the gateway needs
// them. Tables are passed over by their length and kept as the bytes they are, so that their depth costs nothing.
//
// Readers never read past the end: the first field that does not fit makes ok() false, and all that follow zero or
// empty. Pure values; one thread at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shardmgr/broker/amqp/frame.h"

namespace warren::gateway {

/// Class and method, as in rabbitmq-c's AMQP_…_METHOD.
using MethodId = std::uint32_t;

class ArgumentReader {
 public:
  explicit ArgumentReader(std::string_view bytes) : rest_(bytes) {}

  std::uint8_t U8() { return static_cast<std::uint8_t>(Big(1)); }
  std::uint16_t U16() { return static_cast<std::uint16_t>(Big(2)); }
  std::uint32_t U32() { return static_cast<std::uint32_t>(Big(4)); }
  std::uint64_t U64() { return Big(8); }
  std::string_view Take(std::size_t size) {
    if (rest_.size() < size) return Failed();
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  std::string_view ShortString() { return Take(U8()); }
  std::string_view LongString() { return Take(U32()); }
  /// A table with the four bytes of its length.
  std::string_view Table() {
    const std::string_view from = rest_;
    LongString();
    return ok_ ? from.substr(0, from.size() - rest_.size()) : std::string_view();
  }

  bool ok() const { return ok_; }
  bool done() const { return ok_ && rest_.empty(); }
  std::string_view rest() const { return rest_; }

 private:
  std::uint64_t Big(std::size_t size) {
    std::uint64_t value = 0;
    for (const char byte : Take(size)) value = value << 8 | static_cast<unsigned char>(byte);
    return value;
  }
  std::string_view Failed() {
    ok_ = false;
    rest_ = {};
    return {};
  }

  std::string_view rest_;
  bool ok_ = true;
};

/// Appends one frame to `out`, from its construction to End(), which is called once.
class FrameWriter {
 public:
  FrameWriter(std::string& out, amqp::FrameType type, std::uint16_t channel) : out_(out), start_(out.size()) {
    U8(static_cast<std::uint8_t>(type)).U16(channel).U32(0);
  }
  FrameWriter(std::string& out, std::uint16_t channel, MethodId method)
      : FrameWriter(out, amqp::FrameType::kMethod, channel) {
    U32(method);
  }

  FrameWriter& U8(std::uint8_t value) { return Big(value, 1); }
  FrameWriter& U16(std::uint16_t value) { return Big(value, 2); }
  FrameWriter& U32(std::uint32_t value) { return Big(value, 4); }
  FrameWriter& U64(std::uint64_t value) { return Big(value, 8); }
  FrameWriter& Raw(std::string_view bytes) {
    out_ += bytes;
    return *this;
  }
  /// What does not fit its length octet is cut.
  FrameWriter& ShortString(std::string_view text) {
    const std::string_view fitting = text.substr(0, amqp::kMaxShortStringBytes);
    return U8(static_cast<std::uint8_t>(fitting.size())).Raw(fitting);
  }
  FrameWriter& LongString(std::string_view bytes) { return U32(static_cast<std::uint32_t>(bytes.size())).Raw(bytes); }

  void End();

 private:
  FrameWriter& Big(std::uint64_t value, std::size_t size) {
    for (std::size_t shift = size * 8; shift > 0; shift -= 8) out_ += static_cast<char>(value >> (shift - 8) & 0xff);
    return *this;
  }

  std::string& out_;
  const std::size_t start_;
};

}  // namespace warren::gateway
