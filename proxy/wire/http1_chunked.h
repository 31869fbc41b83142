// ChunkReader: the chunked transfer coding of request bodies (RFC 9112 section 7.1), strictly.
//
// Written out rather than left to a general parser because lenient chunk framing is a smuggling vector
// of its own: bare LF after a size, sizes that overflow, "0x10", signs, space around the size. Here
// lines end in CRLF, a size is 1 to 15 hexadecimal digits, extensions are checked, bounded and dropped
// (space before their ";" is legal, space before CRLF is not),
// and trailers are checked, bounded and dropped (RFC 9110 section 6.5.1 allows that).
//
// Pure state machine fed with bytes in pieces of any size. No shared state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "proxy/wire/http1_guard.h"

namespace warren::wire {

class ChunkReader {
 public:
  static constexpr std::size_t kMaxSizeDigits = 15;        ///< More cannot be a body anyone accepts.
  static constexpr std::size_t kMaxExtensionBytes = 1024;  ///< For one chunk.
  static constexpr std::size_t kMaxTrailerBytes = 8'192;   ///< For all trailers.

  /// A body of more than `max_body_bytes` is refused with 413 when its size is announced.
  explicit ChunkReader(std::uint64_t max_body_bytes) : max_body_bytes_(max_body_bytes) {}

  /// Takes bytes from `input`, appends data to `body` and returns how many bytes it took: all of them,
  /// or fewer when the body is complete (done()) before their end.
  tl::expected<std::size_t, Refusal> Feed(std::string_view input, std::string& body);

  bool done() const { return state_ == State::kDone; }

 private:
  enum class State { kSize, kBlank, kExtension, kSizeLf, kData, kDataCr, kDataLf, kTrailer, kTrailerLf, kDone };
  using Step = tl::expected<void, Refusal>;

  Step OnSize(char c);
  Step OnExtension(char c);
  Step OnSizeLf(char c, std::uint64_t body_bytes);
  Step OnTrailer(char c);
  Step OnTrailerLf(char c);
  Step OnByte(char c, std::uint64_t body_bytes);
  Step CheckTrailer() const;

  std::uint64_t max_body_bytes_;
  State state_ = State::kSize;
  std::uint64_t left_ = 0;  ///< Of this chunk: while its size is read the size, then bytes to come.
  std::size_t size_digits_ = 0;
  std::size_t extension_bytes_ = 0;
  std::size_t trailer_bytes_ = 0;
  std::string trailer_;  ///< The trailer line so far.
};

}  // namespace warren::wire
