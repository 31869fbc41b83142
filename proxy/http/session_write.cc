// A session's outgoing half: answers in order, and the ways a connection ends; see session.h.
#include <boost/asio/write.hpp>

#include "proxy/http/forward.h"
#include "proxy/http/session.h"

namespace warren::proxy {
namespace {

constexpr std::size_t kWriteStepBytes = 262'144;
constexpr int kClientGone = 499;  ///< In the access log; no status of HTTP.
constexpr Milliseconds kLinger{2'000};

std::int64_t Microseconds(Clock::duration duration) {
  return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
}

/// A view of a session's buffers: what is written is copied as often as Asio likes.
struct Buffers {
  using value_type = boost::asio::const_buffer;
  using const_iterator = const boost::asio::const_buffer*;
  const_iterator first, last;
  const_iterator begin() const { return first; }
  const_iterator end() const { return last; }
};

/// Moves `rest`, the whole of `buffers`, behind its first `bytes`.
void Consume(std::vector<boost::asio::const_buffer>& buffers, std::size_t bytes, Buffers& rest) {
  for (auto& buffer : buffers) {
    if (bytes < buffer.size()) {
      buffer += bytes;
      return;
    }
    bytes -= buffer.size();
    ++rest.first;
  }
}

}  // namespace

void Session::Answer(Exchange& exchange, int status, std::string_view reason, bool retry_later) {
  ResponseContext context{exchange.method == "HEAD", exchange.keep_alive, exchange.minor_version, false, host_.Date()};
  WriteFailure(status, reason, retry_later, context, exchange.head);
  if (host_.access_log != nullptr) exchange.reason = reason;
  exchange.status = status;
  exchange.ready = true;
  exchange.close = !exchange.keep_alive;
  host_.Ready(shared_from_this());
}

/// Large answers that do not fit the budget are dropped; small ones are bounded by the requests in flight.
bool Session::ShedAnswer(Exchange& exchange, std::size_t bytes) {
  if (bytes <= kStepBytes || host_.limits.bytes.HasRoomFor(bytes)) return false;
  DispatcherStats::Add(host_.stats.shed_answers);
  // The request was carried out: only where that does no harm is the client asked to come again.
  const bool again = wire::IsRetrySafe(exchange.method, {});
  Answer(exchange, again ? 503 : 502, "too many bytes in flight to hold the answer", again);
  return true;
}

void Session::AnswerWith(Exchange& exchange, wire::Response&& response) {
  if (ShedAnswer(exchange, response.body.size())) return;
  ResponseContext context{exchange.method == "HEAD", exchange.keep_alive, exchange.minor_version,
                          host_.options.expose_origin, host_.Date()};
  if (WriteHead(response, context, exchange.head)) exchange.body = std::move(response.body);
  // What came has to go: it is charged without asking, and keeps new requests out instead.
  const std::size_t bytes = exchange.head.size() + exchange.body.size();
  host_.limits.bytes.Take(bytes);
  exchange.charged_bytes += bytes;
  exchange.status = response.status;
  exchange.queue_us = response.queue_us.value_or(-1);
  exchange.work_us = response.work_us.value_or(-1);
  exchange.answered_us = Microseconds(Clock::now() - exchange.dispatched);
  exchange.node = std::move(response.node);
  if (host_.access_log != nullptr) exchange.shard = std::move(response.shard);
  exchange.ready = true;
  exchange.close = !exchange.keep_alive;
  host_.Ready(shared_from_this());
}

void Session::OnAnswer(std::uint64_t tag, Outcome&& outcome) {
  if (closed_ || tag < first_tag_ || tag - first_tag_ >= exchanges_.size()) return;
  Exchange& exchange = exchanges_[tag - first_tag_];
  exchange.publishings = outcome.publishings;
  const bool last = tag - first_tag_ + 1 == exchanges_.size() && reading_ != Reading::kBody;
  if (host_.draining && last) {
    exchange.keep_alive = false;
    last_seen_ = true;
  }
  host_.limits.bytes.Give(exchange.charged_bytes);  // The request itself is gone.
  exchange.charged_bytes = 0;
  if (auto* response = std::get_if<wire::Response>(&outcome.answer)) {
    AnswerWith(exchange, std::move(*response));
  } else {
    const auto& failure = std::get<Failure>(outcome.answer);
    Answer(exchange, failure.status, failure.reason, failure.retry_later);
  }
}

void Session::Flush() {
  ready_ = false;
  if (closed_ || write_pending_) return;
  write_buffers_.clear();
  writing_ = 0;
  for (Exchange& exchange : exchanges_) {
    if (!exchange.ready || writing_ == 2 * kMaxPipeline) break;
    write_buffers_.push_back(boost::asio::buffer(exchange.head));
    if (!exchange.body.empty()) write_buffers_.push_back(boost::asio::buffer(exchange.body));
    ++writing_;
    if (exchange.close) break;
  }
  if (writing_ == 0) return;
  // Most answers fit what the socket takes at once; the rest waits for room.
  boost::system::error_code error;
  Buffers rest{write_buffers_.data(), write_buffers_.data() + write_buffers_.size()};
  Consume(write_buffers_, socket_.write_some(rest, error), rest);
  if (rest.begin() == rest.end()) return OnWritten({});
  if (error && error != boost::asio::error::would_block) return OnWritten(error);
  write_pending_ = true;
  write_deadline_ = Clock::now() + host_.options.body_timeout;
  written_ = 0;
  const auto on_progress = [this](const boost::system::error_code& failed, std::size_t bytes) -> std::size_t {
    if (bytes - written_ >= kStepBytes) {
      write_deadline_ = Clock::now() + host_.options.body_timeout;
      written_ = bytes;
    }
    return failed ? 0 : kWriteStepBytes;
  };
  boost::asio::async_write(socket_, rest, on_progress,
                           [this, self = shared_from_this()](const boost::system::error_code& failed, std::size_t) {
                             write_pending_ = false;
                             OnWritten(failed);
                           });
}

void Session::OnWritten(const boost::system::error_code& error) {
  if (closed_) return;
  if (error) return Abort();
  bool close = false;
  for (; writing_ > 0; --writing_) {
    close = close || exchanges_.front().close;
    Retire(exchanges_.front());
    exchanges_.pop_front();
    ++first_tag_;
  }
  if (close) {
    last_seen_ = true;
    while (!exchanges_.empty()) {  // Pipelined behind an answer that ends the connection.
      host_.dispatcher.Abandon(exchanges_.back().id);
      Retire(exchanges_.back());
      exchanges_.pop_back();
    }
  }
  if (exchanges_.empty() && !head_begun_) read_deadline_ = Clock::now() + host_.options.idle_timeout;
  Flush();
  if (last_seen_) return Finish();
  Process();
}

void Session::Retire(Exchange& exchange) {
  if (exchange.counted) host_.limits.requests.Give(1);
  if (exchange.charged_bytes > 0) host_.limits.bytes.Give(exchange.charged_bytes);
  exchange.counted = false;
  exchange.charged_bytes = 0;
  if (exchange.interim || exchange.status == 0) return;
  const std::int64_t total_us = Microseconds(Clock::now() - exchange.start);
  host_.stats.bytes_out.fetch_add(exchange.body.size(), std::memory_order_relaxed);
  host_.metrics.Observe({exchange.method, exchange.status, exchange.node, total_us, exchange.queue_us, exchange.work_us,
                         exchange.answered_us});
  if (host_.access_log != nullptr) LogAccess(exchange, total_us);
}

void Session::LogAccess(const Exchange& exchange, std::int64_t total_us) {
  AccessEntry entry;
  entry.time_ms = exchange.start_ms;
  entry.client_addr = client_addr_;
  entry.method = exchange.method;
  entry.target = exchange.target;
  entry.request_id = exchange.request_id;
  entry.minor_version = exchange.minor_version;
  entry.status = exchange.status;
  entry.bytes_in = exchange.bytes_in;
  entry.bytes_out = exchange.body.size();
  entry.total_us = total_us;
  entry.queue_us = exchange.queue_us;
  entry.work_us = exchange.work_us;
  entry.publishings = exchange.publishings;
  entry.node = exchange.node;
  entry.shard = exchange.shard;
  entry.reason = exchange.reason;
  host_.access_log->Write(entry);
}

void Session::Finish() {
  if (closed_ || write_pending_ || !exchanges_.empty()) return;
  boost::system::error_code ignored;
  socket_.shutdown(boost::asio::ip::tcp::socket::shutdown_send, ignored);
  if (reading_ == Reading::kDone || ignored) return Close();
  reading_ = Reading::kDiscard;
  begin_ = end_ = 0;
  read_deadline_ = Clock::now() + kLinger;
  Read();
}

void Session::CheckTimeouts(TimePoint now) {
  if (closed_) return;
  if (write_pending_ && write_deadline_ <= now) return Abort();
  if (read_deadline_ > now) return;
  if (reading_ == Reading::kDiscard) return Close();
  if (reading_ == Reading::kBody) {
    Refuse(408, "the body did not arrive in time");
  } else if (reading_ == Reading::kHead && !last_seen_ && begin_ != end_ && exchanges_.size() < kMaxPipeline) {
    RefuseHead({408, "the head did not arrive in time"}, Unread());
  } else if (exchanges_.empty()) {
    Finish();
  }
}

void Session::Drain() {
  if (reading_ == Reading::kDiscard) return;  // It ends by itself, in time.
  if (exchanges_.empty() && begin_ == end_) {
    last_seen_ = true;
    reading_ = Reading::kHead;
    Finish();
  }
}

void Session::Abort() {
  boost::system::error_code ignored;
  if (write_pending_ || !exchanges_.empty()) socket_.set_option(boost::asio::socket_base::linger(true, 0), ignored);
  Close();
}

/// The client left, or was left, before it had all of its answer.
void Session::GiveUp(Exchange& exchange) {
  DispatcherStats::Add(host_.stats.abandoned);
  if (host_.access_log == nullptr) return;
  exchange.status = kClientGone;
  exchange.body.clear();
  exchange.reason = "the client left";
  LogAccess(exchange, Microseconds(Clock::now() - exchange.start));
}

void Session::Close() {
  if (closed_) return;
  closed_ = true;
  for (Exchange& exchange : exchanges_) {
    host_.dispatcher.Abandon(exchange.id);
    if (!exchange.interim) GiveUp(exchange);
    exchange.status = 0;
    Retire(exchange);
  }
  exchanges_.clear();
  boost::system::error_code ignored;
  socket_.close(ignored);
  host_.Gone(*this);
}

}  // namespace warren::proxy
