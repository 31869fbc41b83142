// Frames of AMQP 0-9-1 (section 4.2.3): splitting bytes into frames, and building frames.
//
//   frame   = type:u8 channel:u16 size:u32 payload[size] 0xCE        (big endian)
//   method  = type 1, payload = class:u16 method:u16 arguments
//   header  = type 2, payload = class:u16 weight:u16 body-size:u64 flags:u16… properties
//   body    = type 3, payload = bytes;  heartbeat = type 8, channel 0, no payload
//
// Pure. rabbitmq-c encodes and decodes what is inside; tables are checked here before it sees them,
// because its decoder recurses as deep as the sender likes.
#pragma once

#include <amqp.h>
#include <amqp_framing.h>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "policies/error.h"

namespace warren::amqp {

inline constexpr std::size_t kFrameOverheadBytes = 8;   ///< 7 of the head, 1 of the end.
inline constexpr std::size_t kContentHeaderBytes = 12;  ///< class, weight, body size.
inline constexpr int kMaxTableDepth = 16;               ///< Tables and arrays within each other, at most.

enum class FrameType : std::uint8_t { kMethod = 1, kHeader = 2, kBody = 3, kHeartbeat = 8 };

struct Frame {
  FrameType type = FrameType::kMethod;
  std::uint16_t channel = 0;
  std::string_view payload;
};

/// The first frame of `bytes`; nothing while it is incomplete. kProtocol for an unknown type, a bad
/// end or a payload that with its overhead exceeds `frame_max`.
Result<std::optional<Frame>> SplitFrame(std::string_view bytes, std::uint32_t frame_max);

/// Bytes that a frame with this payload takes.
inline std::size_t FrameBytes(const Frame& frame) { return frame.payload.size() + kFrameOverheadBytes; }

/// Appends a method frame. `method` is the rabbitmq-c struct that belongs to `id`. kInvalid when it
/// does not fit `frame_max` (a table or name that is too long); nothing is appended then.
Result<void> AppendMethod(std::string& out, std::uint16_t channel, amqp_method_number_t id, void* method,
                          std::uint32_t frame_max);

/// Appends the header and body frames of one message; rules as AppendMethod, and NamesFit holds for
/// the properties.
Result<void> AppendContent(std::string& out, std::uint16_t channel, const amqp_basic_properties_t& properties,
                           std::string_view body, std::uint32_t frame_max);

void AppendHeartbeat(std::string& out);

inline constexpr std::size_t kMaxShortStringBytes = 255;

/// Whether every name fits a short string and so does every key of `table`, at most kMaxTableDepth
/// deep. rabbitmq-c cuts the length of longer ones and sends a broken frame, so ask before encoding.
bool NamesFit(std::initializer_list<std::string_view> names, const amqp_table_t& table);

/// Whether this is a whole table with its length, well formed and at most kMaxTableDepth deep. Does not recurse.
bool TableIsSafe(std::string_view table);

/// Whether every table in the properties of a header frame's payload is well formed and at most
/// `max_depth` deep. Does not recurse.
bool PropertiesAreSafe(std::string_view header_payload, int max_depth = kMaxTableDepth);

/// Memory that rabbitmq-c decodes into; recycled, not freed, between uses.
class Pool {
 public:
  Pool() { init_amqp_pool(&pool_, 4096); }
  ~Pool() { empty_amqp_pool(&pool_); }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  amqp_pool_t* get() { return &pool_; }
  void Recycle() { recycle_amqp_pool(&pool_); }

 private:
  amqp_pool_t pool_;
};

/// A decoded method: its number and rabbitmq-c's struct, which points into `payload` and the pool.
struct Method {
  amqp_method_number_t id = 0;
  void* decoded = nullptr;

  template <class T>
  const T& As() const {
    return *static_cast<const T*>(decoded);
  }
};

Result<Method> DecodeMethod(std::string_view payload, Pool& pool);

/// Whether content follows this method's payload: basic.deliver and basic.return. (Nobody here asks with basic.get.)
bool StartsContent(std::string_view payload);

struct ContentHeader {
  std::uint64_t body_bytes = 0;
  const amqp_basic_properties_t* properties = nullptr;
  bool malformed = false;  ///< Properties that are a danger to decode: `properties` is empty instead.
};

/// Class basic only. Looks at the tables (PropertiesAreSafe) before rabbitmq-c does.
Result<ContentHeader> DecodeContentHeader(std::string_view payload, Pool& pool);

}  // namespace warren::amqp
