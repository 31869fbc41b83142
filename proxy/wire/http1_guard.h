// Strict reading of an HTTP/1.x request head (RFC 9112): the only parser that a request from a client
// meets, so no second one can see another message in the same bytes (request smuggling).
//
// FindHeadEnd() watches the bytes as they arrive and refuses a malformed line end or an overlong head
// before the rest is there; ParseHead() reads the complete head, refuses every ambiguous form with
// status and reason, and works out framing and persistence. Bodies in chunks are http1_chunked.h's.
// Everything after the head, and all policy (limits of bodies, CONNECT), is the session's.
//
// Pure. Views point into the bytes given. No shared state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

namespace warren::wire {

/// Why a request is not read further. The answer has this status, and the connection is closed:
/// where the next request would start is unknown.
struct Refusal {
  int status = 400;
  std::string_view reason;  ///< A sentence with static storage; never holds the client's bytes.
};

struct HeadLimits {
  std::size_t max_head_bytes = 16'384;         ///< Request line and fields together; above: 431.
  std::size_t max_request_line_bytes = 8'192;  ///< Above: 414 (RFC 9112 section 3 asks for 8,000 at least).
  std::size_t max_fields = 128;                ///< Above: 431.
  std::size_t max_field_name_bytes = 255;      ///< Above: 431; an AMQP table key has one length byte.
};

struct HeadField {
  std::string_view name;   ///< As sent; compare without case.
  std::string_view value;  ///< Raw, without white space around it.
};

/// How the body is delimited (RFC 9112 section 6.3).
enum class Framing { kNone, kLength, kChunked };

/// The four forms of a request target (RFC 9112 section 3.2).
enum class TargetForm { kOrigin, kAbsolute, kAuthority, kAsterisk };

struct RequestHead {
  std::string_view method;
  std::string_view target;  ///< As sent.
  TargetForm form = TargetForm::kOrigin;
  std::string_view scheme;     ///< Absolute form alone: "http" or "https", as sent.
  std::string_view path;       ///< To be forwarded: origin form with query, or "*"; of "http://a?b" it is "?b".
  std::string_view authority;  ///< Of an absolute or authority-form target, else the Host field; may be empty.
  int minor_version = 1;       ///< HTTP/1.0, or HTTP/1.1 for that and all above (RFC 9110 2.5).
  std::vector<HeadField> fields;
  Framing framing = Framing::kNone;
  std::uint64_t content_length = 0;
  bool keep_alive = true;                     ///< What the client wants (RFC 9112 section 9.3).
  bool expect_continue = false;               ///< Expect: 100-continue, in HTTP/1.1.
  std::optional<std::uint32_t> max_forwards;  ///< Of OPTIONS and TRACE alone (RFC 9110 7.6.2).
};

/// Looks for the empty line that ends a head. `scanned` is how far earlier calls have looked in the
/// same bytes (0 at first) and is moved on. Returns the head's size, empty line included, or 0 when
/// more bytes are needed. Refuses bare LF and bare CR (RFC 9112 section 2.2) and NUL (RFC 9110 5.5)
/// in what is there, 414 and 431.
tl::expected<std::size_t, Refusal> FindHeadEnd(std::string_view bytes, const HeadLimits& limits, std::size_t& scanned);

/// Reads a head that FindHeadEnd() has delimited. `head` is overwritten; its memory is used again.
tl::expected<void, Refusal> ParseHead(std::string_view bytes, const HeadLimits& limits, RequestHead& head);

/// True for the characters of tokens (RFC 9110 section 5.6.2).
bool IsTokenByte(unsigned char byte);

/// True when `member` is in the comma-separated list `list`, without case.
bool HasMember(std::string_view list, std::string_view member);

/// `text` without spaces and tabs around it.
std::string_view TrimBlanks(std::string_view text);

/// ASCII comparison without case.
bool SameName(std::string_view left, std::string_view right);

}  // namespace warren::wire
