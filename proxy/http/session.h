// Session: one client connection. Reads requests through the strict parser, buffers their bodies, hands
// them to the dispatcher, and writes the answers in the order of the requests (RFC 9112 section 9.3.2).
//
// Several requests of one client may be in flight (pipelining, bounded). Answers that are ready together
// go out in one write. When the framing of a request is in doubt, or an answer had to be given before
// its body was read, the connection ends with that answer: first our side is shut, then what the client
// still sends is read and dropped for a moment, so that the answer is not lost to a reset.
//
// Memory: heads, bodies as they arrive and answers are charged to Limits::bytes until the answer is
// written. Bodies and answers have to move by kStepBytes within each body timeout (or to their end), so
// that nobody holds that memory by sending or taking a byte now and then.
//
// Threads: all on the I/O thread of its Lane. Timeouts are checked by the lane's tick, not by timers.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/http/access_log.h"
#include "proxy/http/dispatcher.h"
#include "proxy/http/limits.h"
#include "proxy/http/metrics.h"
#include "proxy/http/options.h"
#include "proxy/wire/http1_chunked.h"
#include "proxy/wire/http1_guard.h"

namespace warren::proxy {

class Session;

/// What a session uses of its I/O thread.
struct SessionHost {
  SessionHost(const ProxyOptions& all_options, std::string instance_name, const wire::HeadLimits& limits_of_heads,
              Dispatcher& engine, Limits& shared_limits, LaneStats& own_stats, RequestMetrics& request_metrics,
              AccessLog* log)
      : options(all_options),
        instance(std::move(instance_name)),
        head_limits(limits_of_heads),
        dispatcher(engine),
        limits(shared_limits),
        stats(own_stats),
        metrics(request_metrics),
        access_log(log) {}
  virtual ~SessionHost() = default;

  const ProxyOptions& options;
  std::string instance;  ///< `:proxy` of this thread's requests.
  wire::HeadLimits head_limits;
  Dispatcher& dispatcher;
  Limits& limits;
  LaneStats& stats;
  RequestMetrics& metrics;
  AccessLog* access_log;  ///< Null: off.
  TokenSource tokens;
  bool draining = false;
  Job spare_job;  ///< Memory for the next request.

  virtual void Ready(std::shared_ptr<Session> session) = 0;  ///< Flush() it once, after this turn.
  virtual void Gone(Session& session) = 0;
  virtual std::string_view Date() = 0;  ///< As HttpDate, of now.
};

class Session final : public AnswerSink, public std::enable_shared_from_this<Session> {
 public:
  static constexpr std::size_t kMaxPipeline = 16;    ///< Requests of one client being answered.
  static constexpr std::size_t kStepBytes = 16'384;  ///< Of a body or an answer, in each body timeout.

  Session(boost::asio::ip::tcp::socket socket, SessionHost& host);
  ~Session() override;

  void Start();
  void OnAnswer(std::uint64_t tag, Outcome&& outcome) override;
  void Flush();  ///< Writes what is ready.
  void CheckTimeouts(TimePoint now);
  void Drain();  ///< Ends after what is in flight; at once when idle.
  void Abort();  ///< Ends now.

 private:
  /// One request and its answer; interim answers (100) have an entry too, to keep their place.
  struct Exchange {
    bool interim = false, ready = false, close = false;
    bool counted = false;           ///< Holds one of Limits::requests.
    std::size_t charged_bytes = 0;  ///< Held of Limits::bytes.
    std::string head, body;         ///< Of the answer.
    std::string method, target, request_id;
    int minor_version = 1;
    bool keep_alive = true;
    Dispatcher::Id id;
    TimePoint start;
    std::int64_t start_ms = 0;
    std::uint64_t bytes_in = 0;
    int status = 0, publishings = 0;
    TimePoint dispatched;
    std::int64_t queue_us = -1, work_us = -1, answered_us = -1;
    std::string node, shard;  ///< Who answered; the shard for the access log alone.
    std::string reason;       ///< Of an answer of the proxy's own; for the access log alone.
  };
  enum class Reading { kHead, kBody, kDone, kDiscard };

  // session.cc: in
  void Process();
  bool ProcessHead();
  bool ProcessBody();
  void OnHead(std::size_t head_bytes);
  bool Admit(Exchange& exchange, std::size_t head_bytes);
  bool AnswersItself() const;
  void Begin(Exchange& exchange);
  void RefuseHead(const wire::Refusal& refusal, std::string_view head);
  void AwaitBody();
  void Dispatch(Job& job);
  void Refuse(int status, std::string_view reason, bool retry_later = false);
  void Shed(DispatcherStats::Count& count, std::string_view reason);
  void Read();
  void OnRead(const boost::system::error_code& error, std::size_t bytes);
  void OnEnd();
  void WatchForReset();
  bool WantsMore() const;
  bool ReadsDirectly() const;
  boost::asio::mutable_buffer BodyRoom();
  boost::asio::mutable_buffer BufferRoom();
  std::string_view Unread() const { return {buffer_.data() + begin_, end_ - begin_}; }
  bool Charge(Exchange& exchange, std::size_t bytes);

  // session_write.cc: out
  void Answer(Exchange& exchange, int status, std::string_view reason, bool retry_later);
  void AnswerWith(Exchange& exchange, wire::Response&& response);
  bool ShedAnswer(Exchange& exchange, std::size_t bytes);
  void OnWritten(const boost::system::error_code& error);
  void Retire(Exchange& exchange);
  void GiveUp(Exchange& exchange);
  void LogAccess(const Exchange& exchange, std::int64_t total_us);
  void Finish();
  void Close();

  boost::asio::ip::tcp::socket socket_;
  SessionHost& host_;
  std::string client_addr_;
  std::vector<boost::asio::const_buffer> write_buffers_;  ///< Of the write under way.
  std::vector<char> buffer_;
  std::size_t begin_ = 0, end_ = 0, scanned_ = 0;
  wire::RequestHead head_;
  Reading reading_ = Reading::kHead;
  Job job_;  ///< The request whose body is being read.
  std::optional<wire::ChunkReader> chunks_;
  std::uint64_t body_bytes_ = 0;  ///< Of a body with Content-Length.
  std::size_t body_filled_ = 0;   ///< Of job_.request.body.
  std::size_t body_charged_ = 0;
  std::size_t body_step_ = 0;  ///< Bytes read since read_deadline_ was set.
  std::deque<Exchange> exchanges_;
  std::uint64_t first_tag_ = 0;  ///< Of exchanges_.front().
  std::size_t writing_ = 0;      ///< Exchanges in the write under way.
  std::size_t written_ = 0;      ///< Its bytes when write_deadline_ was set.
  std::size_t discarded_ = 0;
  std::string abandoned_body_;  ///< Refused while a read into it was under way.
  bool head_begun_ = false;     ///< Part of a head is in buffer_, and read_deadline_ is its.
  bool read_pending_ = false, write_pending_ = false, closed_ = false, ready_ = false, last_seen_ = false;
  bool watching_ = false;
  TimePoint read_deadline_, write_deadline_;
};

}  // namespace warren::proxy
