// A session's incoming half: heads, bodies, admission, dispatch; see the header.
#include "proxy/http/session.h"

#include <netinet/tcp.h>

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <cstring>

#include "proxy/http/forward.h"

namespace warren::proxy {
namespace {

constexpr std::size_t kFirstBufferBytes = 4'096;
constexpr std::size_t kReadBytes = 16'384;  ///< Room for a body at first; then as much as came so far.
constexpr int kMaxUnsentBytes = 131'072;    ///< That the kernel holds for a client.
constexpr std::size_t kMaxDiscardBytes = std::size_t{64} << 20;

}  // namespace

Session::Session(boost::asio::ip::tcp::socket socket, SessionHost& host) : socket_(std::move(socket)), host_(host) {
  boost::system::error_code ignored;
  const auto peer = socket_.remote_endpoint(ignored);
  if (!ignored) client_addr_ = peer.address().to_string();
  socket_.set_option(boost::asio::ip::tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
  // What a slow reader does not take stays here, where it is counted, and not in megabytes of the kernel's.
  ::setsockopt(socket_.native_handle(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kMaxUnsentBytes, sizeof(kMaxUnsentBytes));
}

Session::~Session() { Close(); }

void Session::Start() {
  buffer_.resize(kFirstBufferBytes);
  read_deadline_ = Clock::now() + host_.options.idle_timeout;
  Read();
}

void Session::Process() {
  while (!closed_ && !last_seen_) {
    if (reading_ == Reading::kHead ? !ProcessHead() : reading_ != Reading::kBody || !ProcessBody()) break;
  }
  Read();
  if (!closed_ && !read_pending_ && !exchanges_.empty()) WatchForReset();
}

bool Session::ProcessHead() {
  if (exchanges_.size() >= kMaxPipeline) return false;
  // Empty lines before a request are skipped (RFC 9112 section 2.2), here while nothing else is scanned.
  while (scanned_ == 0 && Unread().substr(0, 2) == "\r\n") begin_ += 2;
  auto head = wire::FindHeadEnd(Unread(), host_.head_limits, scanned_);
  if (!head) {
    RefuseHead(head.error(), Unread());
    return false;
  }
  if (*head == 0) {
    if (!head_begun_ && begin_ != end_) read_deadline_ = Clock::now() + host_.options.head_timeout;
    head_begun_ = begin_ != end_;
    return false;
  }
  scanned_ = 0;
  head_begun_ = false;
  OnHead(*head);
  return true;
}

void Session::OnHead(std::size_t head_bytes) {
  const std::string_view bytes = Unread().substr(0, head_bytes);
  begin_ += head_bytes;
  auto parsed = wire::ParseHead(bytes, host_.head_limits, head_);
  if (!parsed) return RefuseHead(parsed.error(), bytes);
  exchanges_.emplace_back();
  Exchange* exchange = &exchanges_.back();
  exchange->method = head_.method;
  exchange->minor_version = head_.minor_version;
  exchange->keep_alive = head_.keep_alive && !host_.draining;
  if (!Admit(*exchange, head_bytes)) return;
  const Token id = host_.tokens.Next(), trace = host_.tokens.Next();
  Job& job = host_.spare_job;
  job.head_bytes = head_bytes;
  MakeRequest(head_, {client_addr_, host_.instance, host_.options.trust_forwarded}, id, trace, job.request);
  job.routing_key = MakeRoutingKey(host_.options.hash_on, head_, client_addr_, trace);
  if (host_.access_log != nullptr) {
    exchange->target = head_.target;
    exchange->request_id = job.request.id;
  }
  if (head_.framing == wire::Framing::kNone) return Dispatch(job);
  std::swap(job_, job);
  AwaitBody();
}

/// `head`: as far as it is there. What is not understood is still no reason to send a body after HEAD.
void Session::RefuseHead(const wire::Refusal& refusal, std::string_view head) {
  exchanges_.emplace_back();
  if (head.substr(0, 5) == "HEAD ") exchanges_.back().method = "HEAD";
  Refuse(refusal.status, refusal.reason);
}

void Session::AwaitBody() {
  if (head_.expect_continue && begin_ == end_) {
    Exchange request = std::move(exchanges_.back());
    exchanges_.back() = {};
    exchanges_.back().interim = exchanges_.back().ready = true;
    exchanges_.back().head = "HTTP/1.1 100 Continue\r\n\r\n";
    exchanges_.push_back(std::move(request));
    host_.Ready(shared_from_this());
  }
  reading_ = Reading::kBody;
  read_deadline_ = Clock::now() + host_.options.body_timeout;
  body_filled_ = body_charged_ = body_step_ = 0;
  chunks_.reset();
  body_bytes_ = head_.content_length;
  if (head_.framing == wire::Framing::kChunked) chunks_.emplace(host_.options.max_body_bytes);
}

/// Whether this request goes no further than here (RFC 9110 section 7.6.2).
bool Session::AnswersItself() const { return head_.max_forwards && *head_.max_forwards == 0; }

void Session::Begin(Exchange& exchange) {
  exchange.start = Clock::now();
  if (host_.access_log == nullptr) return;
  exchange.start_ms =
      std::chrono::duration_cast<Milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// Whether the request is taken; otherwise it has been answered.
bool Session::Admit(Exchange& exchange, std::size_t head_bytes) {
  Begin(exchange);
  if (head_.form == wire::TargetForm::kAuthority) {
    Refuse(501, "CONNECT is not for a reverse proxy");
  } else if (AnswersItself()) {
    head_.method == "OPTIONS" ? Refuse(200, "Max-Forwards is 0: this is the proxy")
                              : Refuse(501, "no TRACE of the proxy");
  } else if (head_.content_length > host_.options.max_body_bytes) {
    Refuse(413, "the body is too large");
  } else if (!host_.limits.requests.TryTake(1)) {
    Shed(host_.stats.shed_requests, "too many requests in flight");
  } else {
    exchange.counted = true;
    const auto announced = static_cast<std::size_t>(head_.content_length);  // A claim: charged as it arrives.
    if (host_.limits.bytes.HasRoomFor(head_bytes + announced) && Charge(exchange, head_bytes)) return true;
    Shed(host_.stats.shed_bytes, "too many bytes in flight");
  }
  return false;
}

bool Session::Charge(Exchange& exchange, std::size_t bytes) {
  if (bytes == 0) return true;
  if (!host_.limits.bytes.TryTake(bytes)) return false;
  exchange.charged_bytes += bytes;
  return true;
}

bool Session::ProcessBody() {
  std::string& body = job_.request.body;
  bool whole = false;
  if (chunks_) {
    auto took = chunks_->Feed(Unread(), body);
    if (!took) {
      Refuse(took.error().status, took.error().reason);
      return false;
    }
    begin_ += *took;
    body_filled_ = body.size();
    whole = chunks_->done();
  } else {
    const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(end_ - begin_, body_bytes_ - body_filled_));
    if (body.size() < body_filled_ + take) body.resize(body_filled_ + take);
    std::memcpy(body.data() + body_filled_, buffer_.data() + begin_, take);
    begin_ += take;
    body_filled_ += take;
    whole = body_filled_ == body_bytes_;
  }
  if (!Charge(exchanges_.back(), body_filled_ - body_charged_)) {
    Shed(host_.stats.shed_bytes, "too many bytes in flight");
    return false;
  }
  body_charged_ = body_filled_;
  if (whole) {
    Dispatch(job_);
    host_.spare_job = std::exchange(job_, {});
  }
  return whole;
}

void Session::Dispatch(Job& job) {
  Exchange& exchange = exchanges_.back();
  exchange.bytes_in = job.request.body.size();
  host_.stats.bytes_in.fetch_add(exchange.bytes_in, std::memory_order_relaxed);
  reading_ = Reading::kHead;
  read_deadline_ = Clock::now() + host_.options.idle_timeout;
  if (!exchange.keep_alive) last_seen_ = true;
  const std::uint64_t tag = first_tag_ + exchanges_.size() - 1;
  exchange.dispatched = Clock::now();
  const auto id = host_.dispatcher.Submit(exchange.dispatched, std::move(job), shared_from_this(), tag);
  exchange.id = id;
}

void Session::Refuse(int status, std::string_view reason, bool retry_later) {
  Exchange& exchange = exchanges_.back();
  DispatcherStats::Add(host_.stats.refused);
  // Without a body still to come, a request that was understood leaves the connection usable.
  const bool framed = exchange.start != TimePoint() && head_.framing == wire::Framing::kNone && status != 501;
  if (!framed) exchange.keep_alive = false;
  if (exchange.start == TimePoint()) Begin(exchange);
  if (!exchange.keep_alive) last_seen_ = true;
  if (read_pending_) abandoned_body_ = std::move(job_.request.body);  // Heap memory: it stays where it is.
  job_ = {};
  reading_ = Reading::kHead;
  Answer(exchange, status, reason, retry_later);
}

void Session::Shed(DispatcherStats::Count& count, std::string_view reason) {
  DispatcherStats::Add(count);
  Refuse(503, reason, true);
}

bool Session::WantsMore() const {
  if (closed_ || read_pending_) return false;
  if (reading_ == Reading::kDiscard) return true;
  if (last_seen_ || reading_ == Reading::kDone) return false;
  return reading_ == Reading::kBody || exchanges_.size() < kMaxPipeline;
}

/// Large bodies of known length are read straight to their place, the rest through buffer_.
bool Session::ReadsDirectly() const {
  if (reading_ != Reading::kBody || chunks_ || begin_ != end_) return false;
  return body_bytes_ - body_filled_ > kFirstBufferBytes || job_.request.body.size() > body_filled_;
}

boost::asio::mutable_buffer Session::BodyRoom() {
  std::string& body = job_.request.body;
  if (body.size() == body_filled_) {  // Grows as it arrives: the announced size is only a claim.
    const auto room = std::max(kReadBytes, body_filled_);
    body.resize(static_cast<std::size_t>(std::min<std::uint64_t>(body_bytes_, body_filled_ + room)));
  }
  return boost::asio::buffer(body.data() + body_filled_, body.size() - body_filled_);
}

boost::asio::mutable_buffer Session::BufferRoom() {
  const std::size_t most = host_.head_limits.max_head_bytes + 2;
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == 0 && reading_ == Reading::kHead && buffer_.size() > kFirstBufferBytes) {
    std::vector<char>(kFirstBufferBytes).swap(buffer_);  // The connection may be idle from now on.
  }
  if (end_ == buffer_.size() || reading_ == Reading::kBody) {
    buffer_.resize(reading_ == Reading::kBody ? std::max(buffer_.size(), most) : std::min(buffer_.size() * 2, most));
  }
  return boost::asio::buffer(buffer_.data() + end_, buffer_.size() - end_);
}

void Session::Read() {
  if (!WantsMore()) return;
  const bool direct = ReadsDirectly();
  const boost::asio::mutable_buffer into = direct ? BodyRoom() : BufferRoom();
  if (into.size() == 0) return;  // A complete head is always taken or refused before this.
  read_pending_ = true;
  socket_.async_read_some(
      into, [this, direct, self = shared_from_this()](const boost::system::error_code& error, std::size_t bytes) {
        read_pending_ = false;
        if (direct) {
          body_filled_ += bytes;
        } else {
          end_ += bytes;
        }
        OnRead(error, bytes);
      });
}

void Session::OnRead(const boost::system::error_code& error, std::size_t bytes) {
  if (closed_) return;
  if (reading_ == Reading::kDiscard) {
    discarded_ += bytes;
    begin_ = end_ = 0;
    return error || discarded_ > kMaxDiscardBytes ? Close() : Read();
  }
  if (error && error != boost::asio::error::eof) return Abort();
  if (error) return OnEnd();
  if (reading_ == Reading::kBody && (body_step_ += bytes) >= kStepBytes) {
    read_deadline_ = Clock::now() + host_.options.body_timeout;
    body_step_ = 0;
  }
  Process();
}

/// The client has shut its side; what it asked for before is still answered.
void Session::OnEnd() {
  if (reading_ == Reading::kBody) {
    if (exchanges_.size() == 1) return Abort();
    return Refuse(400, "the body ended early");
  }
  reading_ = Reading::kDone;
  last_seen_ = true;
  if (exchanges_.empty()) return Finish();
  WatchForReset();
}

/// Nothing is read any more, so nothing else tells that the client does not even wait for its answers.
void Session::WatchForReset() {
  if (watching_) return;
  watching_ = true;
  socket_.async_wait(boost::asio::ip::tcp::socket::wait_error,
                     [this, self = shared_from_this()](const boost::system::error_code& error) {
                       watching_ = false;
                       if (!error && !closed_) Abort();
                     });
}

}  // namespace warren::proxy
