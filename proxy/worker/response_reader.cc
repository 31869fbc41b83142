// Status line, fields, framing and body of a response.
#include "proxy/worker/response_reader.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace warren::worker {
namespace {

constexpr std::string_view kHeadEnd = "\r\n\r\n";
constexpr std::string_view kVersion = "HTTP/1.";
constexpr int kPayloadTooLarge = 413;

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Fields that were read for what they mean as soon as their line was there: more behind them would be missed.
bool IsFraming(std::string_view name) {
  return wire::EqualNames(name, "content-length") || wire::EqualNames(name, "transfer-encoding") ||
         wire::EqualNames(name, "connection");
}

std::optional<std::uint64_t> ReadLength(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || text.empty() || !IsDigit(text.front())) return {};
  return number;
}

}  // namespace

void ResponseReader::Begin(bool to_head, std::uint64_t max_body_bytes) {
  state_ = State::kHead;
  to_head_ = to_head;
  max_body_bytes_ = max_body_bytes;
  interim_ = 0;
  got_some_ = too_large_ = false;
  problem_ = {};
  head_.clear();
  chunks_.reset();
  response_ = {};
}

void ResponseReader::Fail(std::string_view problem) {
  state_ = State::kFailed;
  problem_ = problem;
}

void ResponseReader::FailTooLarge() {
  too_large_ = true;
  Fail("the body is too large");
}

std::size_t ResponseReader::Feed(std::string_view bytes) {
  got_some_ = got_some_ || !bytes.empty();
  std::size_t taken = 0;
  while (taken < bytes.size() && state_ != State::kDone && state_ != State::kFailed) {
    const std::string_view rest = bytes.substr(taken);
    taken += state_ == State::kHead ? FeedHead(rest) : state_ == State::kChunked ? FeedChunks(rest) : FeedBody(rest);
  }
  return taken;
}

void ResponseReader::End() {
  if (state_ == State::kUntilClose) {
    state_ = State::kDone;
  } else if (state_ != State::kDone && state_ != State::kFailed) {
    Fail("the connection ended");
  }
}

// A head that comes in one piece is read where it is.
std::size_t ResponseReader::FeedHead(std::string_view bytes) {
  const std::size_t before = head_.size();
  std::string_view head = bytes;
  if (before > 0) head = head_.append(bytes.substr(0, kMaxHeadBytes + kHeadEnd.size() - before));
  const std::size_t end = head.find(kHeadEnd, before < kHeadEnd.size() ? 0 : before - kHeadEnd.size() + 1);
  const std::size_t begun = std::min(head.size(), kVersion.size());
  if (head.substr(0, begun) != kVersion.substr(0, begun)) {
    Fail("it does not begin as HTTP/1 does");
  } else if (end != std::string_view::npos && end <= kMaxHeadBytes) {
    OnHead(head.substr(0, end + 2));
    head_.clear();
    return end + kHeadEnd.size() - before;
  } else if (head.size() > kMaxHeadBytes) {
    Fail("the head is too large");
  } else if (before == 0) {
    head_ = bytes;
  }
  return bytes.size();
}

// `head` is whole lines, each with its CRLF.
void ResponseReader::OnHead(std::string_view head) {
  response_.fields.clear();
  length_.reset();
  chunked_ = false;
  bool first = true;
  while (!head.empty()) {
    const std::size_t end = head.find("\r\n");
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(end + 2);
    if (!wire::IsFieldValue(line)) return Fail("a line holds CR, LF or NUL");
    if (first ? !ReadStatusLine(line) : !ReadField(line)) return;
    first = false;
  }
  FinishHead();
}

bool ResponseReader::ReadStatusLine(std::string_view line) {
  constexpr std::size_t kCodeAt = 9, kCodeEnd = 12;  // "HTTP/1.1 200"
  const bool formed = line.size() >= kCodeEnd && IsDigit(line[7]) && line[8] == ' ' &&
                      std::all_of(line.begin() + kCodeAt, line.begin() + kCodeEnd, IsDigit) &&
                      (line.size() == kCodeEnd || line[kCodeEnd] == ' ');
  if (formed) std::from_chars(line.data() + kCodeAt, line.data() + kCodeEnd, response_.status);
  if (!formed || response_.status < 100) {
    Fail("the status line is not one of HTTP/1");
    return false;
  }
  is_http10_ = line[7] == '0';
  keep_alive_ = !is_http10_;
  closes_ = false;
  return true;
}

bool ResponseReader::ReadField(std::string_view line) {
  if (line.front() == ' ' || line.front() == '\t') {  // obs-fold becomes a space (RFC 9112 5.2).
    if (response_.fields.empty()) return Fail("the first field line begins with space"), false;
    if (IsFraming(response_.fields.back().name)) return Fail("a field about framing is folded"), false;
    response_.fields.back().value.append(" ").append(Trim(line));
    return true;
  }
  const std::size_t colon = line.find(':');
  const std::string_view name = line.substr(0, colon);
  if (colon == std::string_view::npos || !wire::IsToken(name)) return Fail("a field line has no name"), false;
  response_.fields.push_back({std::string(name), std::string(Trim(line.substr(colon + 1)))});
  return ReadFraming(response_.fields.back());
}

bool ResponseReader::ReadFraming(const wire::Field& field) {
  if (wire::EqualNames(field.name, "content-length")) {
    const std::optional<std::uint64_t> length = ReadLength(field.value);
    if (!length || (length_ && *length_ != *length)) return Fail("Content-Length is not one number"), false;
    length_ = length;
  } else if (wire::EqualNames(field.name, "transfer-encoding")) {
    if (chunked_ || !wire::EqualNames(field.value, "chunked")) {
      return Fail("Transfer-Encoding is something else than chunked"), false;
    }
    chunked_ = true;
  } else if (wire::EqualNames(field.name, "connection")) {
    ReadConnection(field.value);
  }
  return true;
}

void ResponseReader::ReadConnection(std::string_view value) {
  const wire::Fields field = {{"connection", std::string(value)}};
  if (wire::ListHas(field, "connection", "close")) closes_ = true;  // Whatever else is said (RFC 9112 9.3).
  if (wire::ListHas(field, "connection", "keep-alive")) keep_alive_ = true;
}

// Whether it is sure where the next response begins. Some servers send a body where there must be none; a peer of
// HTTP/1.0 does not know chunks (RFC 9112 6.1).
bool ResponseReader::MayBeKept(int status) const {
  if (to_head_ || (is_http10_ && chunked_)) return false;
  if (status == 204) return !chunked_ && length_.value_or(0) == 0;
  return status != 304 || !chunked_;
}

void ResponseReader::FinishHead() {
  const int status = response_.status;
  if (status == 101) return Fail("it switches to a protocol that nobody asked for");
  if (status < 200) {
    if (++interim_ > kMaxInterimResponses) Fail("too many interim responses");
    return;
  }
  keep_alive_ = keep_alive_ && !closes_ && MayBeKept(status);
  if (chunked_ && length_) return Fail("it has Content-Length and Transfer-Encoding");
  const bool bodiless = to_head_ || status == 204 || status == 304;
  wire::StripHopByHop(response_.fields);
  // Elsewhere the body says it; here there is none.
  if (length_ && !to_head_ && status != 304) wire::Remove(response_.fields, "content-length");
  if (bodiless) {
    state_ = State::kDone;
  } else if (chunked_) {
    chunks_.emplace(max_body_bytes_);
    state_ = State::kChunked;
  } else if (length_) {
    if (*length_ > max_body_bytes_) return FailTooLarge();
    response_.body.reserve(*length_);
    state_ = *length_ > 0 ? State::kLength : State::kDone;
  } else {
    keep_alive_ = false;
    state_ = State::kUntilClose;
  }
}

std::size_t ResponseReader::FeedBody(std::string_view bytes) {
  if (state_ == State::kUntilClose) {
    if (bytes.size() > max_body_bytes_ - response_.body.size()) FailTooLarge();
  } else {
    bytes = bytes.substr(0, *length_);
    *length_ -= bytes.size();
    if (*length_ == 0) state_ = State::kDone;
  }
  if (state_ != State::kFailed) response_.body.append(bytes);
  return bytes.size();
}

std::size_t ResponseReader::FeedChunks(std::string_view bytes) {
  const auto taken = chunks_->Feed(bytes, response_.body);
  if (!taken) {
    taken.error().status == kPayloadTooLarge ? FailTooLarge() : Fail(taken.error().reason);
    return bytes.size();
  }
  if (chunks_->done()) state_ = State::kDone;
  return *taken;
}

}  // namespace warren::worker
