// ResponseReader: an application's HTTP/1.x response out of the bytes of its connection (RFC 9112): interim
// responses are passed over, chunks are decoded, trailers are dropped. What could mean two things is refused.
//
// Pure state machine fed with bytes in pieces of any size; used again for each response. No shared state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/wire/http1_chunked.h"
#include "proxy/wire/message.h"

namespace warren::worker {

class ResponseReader {
 public:
  static constexpr std::size_t kMaxHeadBytes = 60 * 1024;
  static constexpr int kMaxInterimResponses = 16;

  /// Expects the response to a request; `to_head`: its method was HEAD.
  void Begin(bool to_head, std::uint64_t max_body_bytes);
  /// Takes bytes until the response is over or wrong; returns how many.
  std::size_t Feed(std::string_view bytes);
  /// The connection ended: that completes some responses, and breaks others.
  void End();

  bool done() const { return state_ == State::kDone; }
  bool failed() const { return state_ == State::kFailed; }
  bool too_large() const { return too_large_; }             ///< Why it failed: the body is over the limit.
  std::string_view problem() const { return problem_; }     ///< Why it failed, in words; static.
  bool got_some() const { return got_some_; }               ///< At least one byte came.
  bool keeps_alive() const { return keep_alive_; }          ///< Once done: the connection may be used again.
  wire::Response&& Take() { return std::move(response_); }  ///< Once done.

 private:
  enum class State { kHead, kLength, kChunked, kUntilClose, kDone, kFailed };

  std::size_t FeedHead(std::string_view bytes);
  std::size_t FeedBody(std::string_view bytes);
  std::size_t FeedChunks(std::string_view bytes);
  void Fail(std::string_view problem);
  void FailTooLarge();
  void OnHead(std::string_view head);
  bool ReadStatusLine(std::string_view line);
  bool ReadField(std::string_view line);
  bool ReadFraming(const wire::Field& field);
  void ReadConnection(std::string_view value);
  bool MayBeKept(int status) const;
  void FinishHead();

  State state_ = State::kFailed;
  bool to_head_ = false;
  std::uint64_t max_body_bytes_ = 0;
  int interim_ = 0;
  bool got_some_ = false, too_large_ = false, keep_alive_ = false, is_http10_ = false;
  bool chunked_ = false, closes_ = false;
  std::optional<std::uint64_t> length_;  ///< As announced; then what is still to come.
  std::string_view problem_;
  std::string head_;  ///< The beginning of a head that came in pieces.
  std::optional<wire::ChunkReader> chunks_;
  wire::Response response_;
};

}  // namespace warren::worker
