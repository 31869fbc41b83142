// Splitting and building of frames; see frame.h for the grammar.
#include "shardmgr/broker/amqp/frame.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "shardmgr/broker/amqp/bytes.h"

namespace warren::amqp {
namespace {

constexpr unsigned char kFrameEnd = 0xCE;
constexpr std::size_t kFrameHeadBytes = 7;
constexpr std::size_t kMethodIdBytes = 4;
constexpr std::size_t kFirstGuessBytes = 1'024;

template <class T>
T ReadBig(const char* from) {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i)
    value = static_cast<T>((value << 8) | static_cast<unsigned char>(from[i]));
  return value;
}

template <class T>
void WriteBig(char* to, T value) {
  for (std::size_t i = sizeof(T); i-- > 0; value = static_cast<T>(value >> 8)) to[i] = static_cast<char>(value & 0xFF);
}

void WriteFrameHead(char* to, FrameType type, std::uint16_t channel, std::size_t payload_bytes) {
  to[0] = static_cast<char>(type);
  WriteBig(to + 1, channel);
  WriteBig(to + 3, static_cast<std::uint32_t>(payload_bytes));
}

// Appends a frame whose payload starts with `fixed_bytes` that the caller fills through `fill`, and
// goes on with what `encode` writes. rabbitmq-c cannot tell sizes beforehand, so a guess grows.
template <class Fill, class Encode>
Result<void> AppendEncoded(std::string& out, FrameType type, std::uint16_t channel, std::size_t fixed_bytes, Fill fill,
                           Encode encode, std::uint32_t frame_max) {
  const std::size_t start = out.size();
  const std::size_t most = frame_max - kFrameOverheadBytes - fixed_bytes;
  for (std::size_t room = std::min(kFirstGuessBytes, most);; room = std::min(room * 4, most)) {
    out.resize(start + kFrameHeadBytes + fixed_bytes + room + 1);
    char* payload = out.data() + start + kFrameHeadBytes;
    const int written = encode(amqp_bytes_t{room, payload + fixed_bytes});
    if (written >= 0) {
      const std::size_t payload_bytes = fixed_bytes + static_cast<std::size_t>(written);
      WriteFrameHead(out.data() + start, type, channel, payload_bytes);
      fill(payload);
      payload[payload_bytes] = static_cast<char>(kFrameEnd);
      out.resize(start + payload_bytes + kFrameOverheadBytes);
      return {};
    }
    if (room == most) {
      out.resize(start);
      return Fail(ErrorCode::kInvalid, "the arguments or headers do not fit one frame of " + std::to_string(frame_max) +
                                           " bytes; make them smaller");
    }
  }
}

bool KeysFit(const amqp_table_t& table, int depth);

bool ValueFits(const amqp_field_value_t& value, int depth) {
  if (value.kind == AMQP_FIELD_KIND_TABLE) return KeysFit(value.value.table, depth + 1);
  if (value.kind != AMQP_FIELD_KIND_ARRAY) return true;
  if (depth >= kMaxTableDepth) return false;
  const amqp_array_t& array = value.value.array;
  return std::all_of(array.entries, array.entries + array.num_entries,
                     [depth](const amqp_field_value_t& item) { return ValueFits(item, depth + 1); });
}

bool KeysFit(const amqp_table_t& table, int depth) {
  if (depth >= kMaxTableDepth) return false;
  return std::all_of(table.entries, table.entries + table.num_entries, [depth](const amqp_table_entry_t& entry) {
    return entry.key.len <= kMaxShortStringBytes && ValueFits(entry.value, depth);
  });
}

// The properties that were set, so that what was left undefined is not read.
bool PropertiesFit(const amqp_basic_properties_t& p) {
  const auto text = [&p](std::uint32_t flag, const amqp_bytes_t& bytes) {
    return (p._flags & flag) != 0 ? View(bytes) : std::string_view{};
  };
  const amqp_table_t headers = (p._flags & AMQP_BASIC_HEADERS_FLAG) != 0 ? p.headers : amqp_empty_table;
  return NamesFit(
      {text(AMQP_BASIC_CONTENT_TYPE_FLAG, p.content_type), text(AMQP_BASIC_CONTENT_ENCODING_FLAG, p.content_encoding),
       text(AMQP_BASIC_CORRELATION_ID_FLAG, p.correlation_id), text(AMQP_BASIC_REPLY_TO_FLAG, p.reply_to),
       text(AMQP_BASIC_EXPIRATION_FLAG, p.expiration), text(AMQP_BASIC_MESSAGE_ID_FLAG, p.message_id),
       text(AMQP_BASIC_TYPE_FLAG, p.type), text(AMQP_BASIC_USER_ID_FLAG, p.user_id),
       text(AMQP_BASIC_APP_ID_FLAG, p.app_id), text(AMQP_BASIC_CLUSTER_ID_FLAG, p.cluster_id)},
      headers);
}

// Walks field tables without recursion: a stack of where each open table or array ends.
class TableWalk {
 public:
  TableWalk(std::string_view bytes, int max_depth) : bytes_(bytes), max_depth_(max_depth) {}

  /// Whether a whole table stands at `at`.
  bool Check(std::size_t at) {
    at_ = at;
    if (!Open(false)) return false;
    while (depth_ > 0) {
      const Level level = levels_[depth_ - 1];
      if (at_ == level.end) {
        --depth_;
        continue;
      }
      if (!level.is_array && !Skip(1 + Peek())) return false;
      if (!Value()) return false;
    }
    return true;
  }

 private:
  struct Level {
    std::size_t end;
    bool is_array;
  };

  std::size_t limit() const { return depth_ > 0 ? levels_[depth_ - 1].end : bytes_.size(); }
  std::size_t Peek() const { return at_ < limit() ? static_cast<unsigned char>(bytes_[at_]) : 0; }

  bool Skip(std::size_t count) {
    if (count > limit() - at_) return false;
    at_ += count;
    return true;
  }

  bool Length(std::size_t& length) {
    if (limit() - at_ < 4) return false;
    length = ReadBig<std::uint32_t>(bytes_.data() + at_);
    at_ += 4;
    return length <= limit() - at_;
  }

  bool Open(bool is_array) {
    std::size_t length = 0;
    if (depth_ >= std::min<int>(max_depth_, kMaxTableDepth) || !Length(length)) return false;
    levels_[depth_++] = {at_ + length, is_array};
    return true;
  }

  bool Value() {
    if (at_ == limit()) return false;
    std::size_t length = 0;
    switch (bytes_[at_++]) {
      case 't':
      case 'b':
      case 'B': return Skip(1);
      case 's':
      case 'u': return Skip(2);
      case 'I':
      case 'i':
      case 'f': return Skip(4);
      case 'l':
      case 'L':
      case 'd':
      case 'T': return Skip(8);
      case 'D': return Skip(5);
      case 'S':
      case 'x': return Length(length) && Skip(length);
      case 'V': return true;
      case 'F': return Open(false);
      case 'A': return Open(true);
      default: return false;
    }
  }

  std::string_view bytes_;
  int max_depth_;
  std::size_t at_ = 0;
  Level levels_[kMaxTableDepth];
  int depth_ = 0;
};

}  // namespace

bool NamesFit(std::initializer_list<std::string_view> names, const amqp_table_t& table) {
  return std::all_of(names.begin(), names.end(),
                     [](std::string_view name) { return name.size() <= kMaxShortStringBytes; }) &&
         KeysFit(table, 0);
}

Result<std::optional<Frame>> SplitFrame(std::string_view bytes, std::uint32_t frame_max) {
  if (bytes.size() < kFrameHeadBytes) return std::nullopt;
  Frame frame{static_cast<FrameType>(bytes[0]), ReadBig<std::uint16_t>(bytes.data() + 1), {}};
  switch (frame.type) {
    case FrameType::kMethod:
    case FrameType::kHeader:
    case FrameType::kBody:
    case FrameType::kHeartbeat: break;
    default:
      return Fail(ErrorCode::kProtocol, "frame of unknown type " + std::to_string(static_cast<unsigned>(frame.type)));
  }
  const std::uint32_t size = ReadBig<std::uint32_t>(bytes.data() + 3);
  if (size > frame_max - kFrameOverheadBytes) {
    return Fail(ErrorCode::kProtocol, "frame of " + std::to_string(size) + " bytes; at most " +
                                          std::to_string(frame_max - kFrameOverheadBytes) + " were agreed");
  }
  if (bytes.size() < size + kFrameOverheadBytes) return std::nullopt;
  if (static_cast<unsigned char>(bytes[kFrameHeadBytes + size]) != kFrameEnd) {
    return Fail(ErrorCode::kProtocol, "frame without its end octet 0xCE");
  }
  frame.payload = bytes.substr(kFrameHeadBytes, size);
  return frame;
}

Result<void> AppendMethod(std::string& out, std::uint16_t channel, amqp_method_number_t id, void* method,
                          std::uint32_t frame_max) {
  return AppendEncoded(
      out, FrameType::kMethod, channel, kMethodIdBytes, [id](char* payload) { WriteBig(payload, std::uint32_t{id}); },
      [id, method](amqp_bytes_t room) { return amqp_encode_method(id, method, room); }, frame_max);
}

Result<void> AppendContent(std::string& out, std::uint16_t channel, const amqp_basic_properties_t& properties,
                           std::string_view body, std::uint32_t frame_max) {
  if (!PropertiesFit(properties)) {
    return Fail(ErrorCode::kInvalid, "a property or header name is longer than 255 bytes, or headers nest too deeply");
  }
  auto fill = [&body](char* payload) {
    WriteBig(payload, std::uint16_t{AMQP_BASIC_CLASS});
    WriteBig(payload + 2, std::uint16_t{0});
    WriteBig(payload + 4, static_cast<std::uint64_t>(body.size()));
  };
  auto encode = [&properties](amqp_bytes_t room) {
    return amqp_encode_properties(AMQP_BASIC_CLASS, const_cast<amqp_basic_properties_t*>(&properties), room);
  };
  if (auto header = AppendEncoded(out, FrameType::kHeader, channel, kContentHeaderBytes, fill, encode, frame_max);
      !header) {
    return header;
  }
  const std::size_t most = frame_max - kFrameOverheadBytes;
  while (!body.empty()) {
    const std::string_view piece = body.substr(0, most);
    char head[kFrameHeadBytes];
    WriteFrameHead(head, FrameType::kBody, channel, piece.size());
    out.append(head, sizeof head).append(piece).push_back(static_cast<char>(kFrameEnd));
    body.remove_prefix(piece.size());
  }
  return {};
}

void AppendHeartbeat(std::string& out) {
  char head[kFrameHeadBytes];
  WriteFrameHead(head, FrameType::kHeartbeat, 0, 0);
  out.append(head, sizeof head).push_back(static_cast<char>(kFrameEnd));
}

bool TableIsSafe(std::string_view table) { return TableWalk(table, kMaxTableDepth).Check(0); }

bool PropertiesAreSafe(std::string_view header_payload, int max_depth) {
  std::size_t at = kContentHeaderBytes;
  if (header_payload.size() < at + 2) return false;
  const std::uint16_t flags = ReadBig<std::uint16_t>(header_payload.data() + at);
  at += 2;
  if ((flags & 1) != 0) return false;  // More flag words: class basic has none.
  for (const std::uint32_t flag : {AMQP_BASIC_CONTENT_TYPE_FLAG, AMQP_BASIC_CONTENT_ENCODING_FLAG}) {
    if ((flags & flag) == 0) continue;
    if (at >= header_payload.size()) return false;
    at += 1 + static_cast<unsigned char>(header_payload[at]);
  }
  if ((flags & AMQP_BASIC_HEADERS_FLAG) == 0) return true;
  return at <= header_payload.size() && TableWalk(header_payload, max_depth).Check(at);
}

Result<Method> DecodeMethod(std::string_view payload, Pool& pool) {
  if (payload.size() < kMethodIdBytes) return Fail(ErrorCode::kProtocol, "method frame without a method");
  Method method{ReadBig<std::uint32_t>(payload.data()), nullptr};
  if (amqp_decode_method(method.id, pool.get(), Bytes(payload.substr(kMethodIdBytes)), &method.decoded) < 0) {
    return Fail(ErrorCode::kProtocol, "method " + std::to_string(method.id >> 16) + "." +
                                          std::to_string(method.id & 0xFFFF) + " that cannot be decoded");
  }
  return method;
}

bool StartsContent(std::string_view payload) {
  if (payload.size() < kMethodIdBytes) return false;
  const auto id = ReadBig<std::uint32_t>(payload.data());
  return id == AMQP_BASIC_DELIVER_METHOD || id == AMQP_BASIC_RETURN_METHOD;
}

Result<ContentHeader> DecodeContentHeader(std::string_view payload, Pool& pool) {
  if (payload.size() < kContentHeaderBytes || ReadBig<std::uint16_t>(payload.data()) != AMQP_BASIC_CLASS) {
    return Fail(ErrorCode::kProtocol, "content header that is not of class basic");
  }
  static constexpr amqp_basic_properties_t kNoProperties{};
  const auto body_bytes = ReadBig<std::uint64_t>(payload.data() + 4);
  if (!PropertiesAreSafe(payload)) return ContentHeader{body_bytes, &kNoProperties, true};
  void* decoded = nullptr;
  if (amqp_decode_properties(AMQP_BASIC_CLASS, pool.get(), Bytes(payload.substr(kContentHeaderBytes)), &decoded) < 0) {
    return Fail(ErrorCode::kProtocol, "message properties that cannot be decoded");
  }
  return ContentHeader{body_bytes, static_cast<amqp_basic_properties_t*>(decoded), false};
}

}  // namespace warren::amqp
