// The states of a chunked body, byte by byte outside the data; see the header.
#include "proxy/wire/http1_chunked.h"

#include <algorithm>

namespace warren::wire {
namespace {

tl::unexpected<Refusal> Refuse(int status, std::string_view reason) {
  return tl::unexpected<Refusal>(Refusal{status, reason});
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool IsControl(unsigned char c) { return (c < ' ' && c != '\t') || c == 0x7f; }

}  // namespace

tl::expected<std::size_t, Refusal> ChunkReader::Feed(std::string_view input, std::string& body) {
  std::size_t at = 0;
  while (at < input.size() && state_ != State::kDone) {
    if (state_ == State::kData) {
      const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size() - at));
      body.append(input.substr(at, take));
      at += take;
      left_ -= take;
      if (left_ == 0) state_ = State::kDataCr;
      continue;
    }
    if (auto step = OnByte(input[at], body.size()); !step) return tl::unexpected<Refusal>(step.error());
    ++at;
  }
  return at;
}

ChunkReader::Step ChunkReader::OnByte(char c, std::uint64_t body_bytes) {
  switch (state_) {
    case State::kSize: return OnSize(c);
    case State::kBlank:
    case State::kExtension: return OnExtension(c);
    case State::kSizeLf: return OnSizeLf(c, body_bytes);
    case State::kDataCr:
      if (c != '\r') return Refuse(400, "chunk data is longer than its size (RFC 9112 7.1)");
      state_ = State::kDataLf;
      return {};
    case State::kDataLf:
      if (c != '\n') return Refuse(400, "bare CR after chunk data (RFC 9112 7.1)");
      state_ = State::kSize;
      left_ = size_digits_ = 0;
      return {};
    case State::kTrailer: return OnTrailer(c);
    case State::kTrailerLf: return OnTrailerLf(c);
    case State::kData:
    case State::kDone: break;
  }
  return {};
}

ChunkReader::Step ChunkReader::OnSize(char c) {
  if (const int digit = HexDigit(c); digit >= 0) {
    if (++size_digits_ > kMaxSizeDigits) return Refuse(400, "chunk size has too many digits (RFC 9112 7.1)");
    left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
    return {};
  }
  if (size_digits_ == 0) return Refuse(400, "chunk size is not hexadecimal (RFC 9112 7.1)");
  if (c == '\r') {
    state_ = State::kSizeLf;
  } else if (c == ';' || c == ' ' || c == '\t') {
    state_ = c == ';' ? State::kExtension : State::kBlank;
    extension_bytes_ = 0;
  } else {
    return Refuse(400, "invalid byte after a chunk size (RFC 9112 7.1)");
  }
  return {};
}

ChunkReader::Step ChunkReader::OnExtension(char c) {
  if (state_ == State::kBlank) {
    if (c == ';') state_ = State::kExtension;
    if (c != ';' && c != ' ' && c != '\t') return Refuse(400, "space after a chunk size (RFC 9112 7.1)");
  } else if (c == '\r') {
    state_ = State::kSizeLf;
    return {};
  }
  if (IsControl(static_cast<unsigned char>(c))) return Refuse(400, "invalid chunk extension (RFC 9112 7.1.1)");
  if (++extension_bytes_ > kMaxExtensionBytes) return Refuse(400, "chunk extension too long (RFC 9112 7.1.1)");
  return {};
}

ChunkReader::Step ChunkReader::OnSizeLf(char c, std::uint64_t body_bytes) {
  if (c != '\n') return Refuse(400, "bare CR after a chunk size (RFC 9112 7.1)");
  if (left_ > max_body_bytes_ || body_bytes > max_body_bytes_ - left_) return Refuse(413, "the body is too large");
  state_ = left_ == 0 ? State::kTrailer : State::kData;
  return {};
}

ChunkReader::Step ChunkReader::OnTrailer(char c) {
  if (c == '\r') {
    state_ = State::kTrailerLf;
    return {};
  }
  if (IsControl(static_cast<unsigned char>(c))) return Refuse(400, "control byte in a trailer (RFC 9112 7.1.2)");
  if (++trailer_bytes_ > kMaxTrailerBytes) return Refuse(431, "the trailers are too long");
  trailer_.push_back(c);
  return {};
}

ChunkReader::Step ChunkReader::OnTrailerLf(char c) {
  if (c != '\n') return Refuse(400, "bare CR in the trailers (RFC 9112 7.1.2)");
  if (trailer_.empty()) {
    state_ = State::kDone;
    return {};
  }
  state_ = State::kTrailer;
  auto checked = CheckTrailer();
  trailer_.clear();
  return checked;
}

ChunkReader::Step ChunkReader::CheckTrailer() const {
  const auto colon = trailer_.find(':');
  if (colon == trailer_.npos || colon == 0) return Refuse(400, "trailer without a name (RFC 9112 7.1.2)");
  for (std::size_t i = 0; i < colon; ++i) {
    if (!IsTokenByte(static_cast<unsigned char>(trailer_[i]))) {
      return Refuse(400, "invalid byte in a trailer's name (RFC 9110 5.1)");
    }
  }
  return {};
}

}  // namespace warren::wire
