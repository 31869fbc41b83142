// A whole client connection of the proxy: a Session on one end of a socket pair, the input on the other,
// in pieces, with a dispatcher whose fake broker answers in any order and sometimes refuses.
//
// Rules, against a plain reading of the whole input at once: what is published is what was asked, in order,
// once; there is exactly one answer for each request, in order, and its own; nothing follows an answer that
// closes; when the client is gone nothing of it is left in the budgets.
#include "proxy/http/session.h"

#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <vector>

#include "shardmgr/broker/amqp/types.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/heads.h"
#include "tests/fuzz/targets.h"

namespace warren::fuzz {
namespace {

constexpr std::size_t kMaxBody = 3'000;

/// A request as a reader sees it who has all the bytes.
struct Asked {
  std::string method, path, body;
  bool expects = false;
};

std::vector<Asked> ReadAll(std::string_view bytes, const wire::HeadLimits& limits) {
  std::vector<Asked> all;
  for (;;) {
    while (bytes.substr(0, 2) == "\r\n") bytes.remove_prefix(2);
    std::size_t scanned = 0;
    const auto end = wire::FindHeadEnd(bytes, limits, scanned);
    if (!end || *end == 0) return all;
    wire::RequestHead head;
    if (!wire::ParseHead(bytes.substr(0, *end), limits, head)) return all;
    bytes.remove_prefix(*end);
    Asked asked{std::string(head.method), std::string(head.path), {}, head.expect_continue};
    if (asked.path[0] == '?') asked.path.insert(0, "/");  // http://host?query (RFC 9110 section 4.2.3)
    if (head.framing == wire::Framing::kChunked) {
      wire::ChunkReader reader(kMaxBody);
      const auto took = reader.Feed(bytes, asked.body);
      if (!took || !reader.done()) return all;
      bytes.remove_prefix(*took);
    } else {
      if (head.content_length > bytes.size()) return all;
      asked.body = bytes.substr(0, head.content_length);
      bytes.remove_prefix(head.content_length);
    }
    all.push_back(std::move(asked));
    if (!head.keep_alive) return all;
  }
}

/// The broker and all workers: keeps what is published until it is answered.
class Broker : public proxy::Transport {
 public:
  struct Message {
    Asked asked;
    std::string token;
  };

  Result<Receipt> Publish(wire::Request& request, std::string_view, std::string_view correlation_id,
                          proxy::Milliseconds) override {
    published.push_back({{request.method, request.target, request.body}, std::string(correlation_id)});
    waiting.push_back(published.size() - 1);
    return published.size();
  }

  void Grant(std::string_view, std::string_view, std::string_view) override {
    Require(false, "a grant though nobody has claimed anything");
  }
  void Cancel(std::string_view, std::string_view, std::string_view) override {
    Require(false, "a cancel though nobody has accepted anything");
  }

  /// Answers one of those that wait: mostly as a worker, at times as a broker that has no shard.
  void AnswerOne(proxy::Dispatcher& dispatcher, Dice& dice) {
    const std::size_t which = dice.Below(waiting.size());
    const std::size_t index = waiting[which];
    waiting.erase(waiting.begin() + static_cast<long>(which));
    const std::string& token = published[index].token;
    if (dice.Below(12) == 0) return dispatcher.OnReturn(proxy::Clock::now(), token);
    static wire::ResponseEncoder encoder;
    static constexpr int kStatuses[] = {200, 200, 200, 404, 204, 304};
    wire::Response response;
    response.status = kStatuses[dice.Below(6)];
    response.fields.push_back({"x-index", std::to_string(index)});
    dispatcher.OnReply(proxy::Clock::now(), encoder.Encode(response, token), "body of " + std::to_string(index), false);
  }

  std::vector<Message> published;
  std::vector<std::size_t> waiting;
};

const proxy::ProxyOptions& Options() {
  static const proxy::ProxyOptions options = [] {
    proxy::ProxyOptions made;
    made.max_body_bytes = kMaxBody;
    made.timeout = made.head_timeout = made.body_timeout = made.idle_timeout = std::chrono::hours(1);
    return made;
  }();
  return options;
}

/// One I/O thread's things, for one session.
class Host : public proxy::SessionHost {
 public:
  Host(const wire::HeadLimits& heads, proxy::Dispatcher& engine, proxy::Limits& budgets)
      : SessionHost(Options(), "fuzz", heads, engine, budgets, Stats(), Metrics(), nullptr) {}

  void Ready(std::shared_ptr<proxy::Session> session) override { ready = std::move(session); }
  void Gone(proxy::Session&) override {
    Require(!gone, "a session goes once");
    gone = true;
  }
  std::string_view Date() override { return "Sun, 06 Nov 1994 08:49:37 GMT"; }

  std::shared_ptr<proxy::Session> ready;
  bool gone = false;

 private:
  static proxy::LaneStats& Stats() {
    static proxy::LaneStats stats;
    return stats;
  }
  static proxy::RequestMetrics& Metrics() {
    static proxy::RequestMetrics metrics;
    return metrics;
  }
};

class Connection {
 public:
  Connection(const wire::HeadLimits& head_limits, proxy::Limits& limits, Dice& dice)
      : dice_(dice), dispatcher_(DispatcherOptions(), broker, stats_), host_(head_limits, dispatcher_, limits) {
    dispatcher_.OnReplyQueueUp(proxy::Clock::now());
    dispatcher_.OnPublishUp(proxy::Clock::now());
    int ends[2];
    Require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0, "a socket pair");
    client_ = ends[0];
    boost::asio::ip::tcp::socket socket(Io());
    socket.assign(boost::asio::ip::tcp::v4(), ends[1]);
    session_ = std::make_shared<proxy::Session>(std::move(socket), host_);
    session_->Start();
  }
  ~Connection() {
    session_->Abort();
    session_ = host_.ready = nullptr;
    Turn();
    ::close(client_);
  }

  /// Sends all of it in pieces, with answers in between.
  void Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const std::size_t piece = dice_.Piece(bytes.size());
      const ssize_t sent = ::send(client_, bytes.data(), piece, MSG_NOSIGNAL);
      if (sent <= 0) break;  // The session has closed, or is full because it waits.
      bytes.remove_prefix(static_cast<std::size_t>(sent));
      Turn();
      if (!broker.waiting.empty() && dice_.Below(3) == 0) broker.AnswerOne(dispatcher_, dice_);
    }
  }
  void Shut() { ::shutdown(client_, SHUT_WR); }

  /// Lets everything come to its end.
  void Finish() {
    for (Turn(); !broker.waiting.empty(); Turn()) broker.AnswerOne(dispatcher_, dice_);
    Require(host_.gone, "a session ends when its client has its answers");
    Require(dispatcher_.in_flight() == 0, "no request outlives its client");
  }

  /// Ends it from outside: as a proxy that drains, or as time that runs out.
  void Interrupt(bool drain) {
    if (!drain) return session_->CheckTimeouts(proxy::Clock::now() + std::chrono::hours(2));
    host_.draining = true;
    session_->Drain();
  }

  Broker broker;
  std::string output;

 private:
  static boost::asio::io_context& Io() {
    static boost::asio::io_context io(1);
    return io;
  }
  static proxy::DispatcherOptions DispatcherOptions() {
    proxy::DispatcherOptions options;
    options.timeout = std::chrono::hours(1);
    return options;
  }

  void Turn() {
    for (bool more = true; more;) {
      Io().restart();
      more = Io().poll() > 0;
      if (auto session = std::exchange(host_.ready, nullptr)) {
        session->Flush();
        more = true;
      }
      char buffer[16'384];
      for (ssize_t got; (got = ::recv(client_, buffer, sizeof(buffer), 0)) > 0;) {
        output.append(buffer, static_cast<std::size_t>(got));
        more = true;
      }
    }
  }

  Dice& dice_;
  proxy::DispatcherStats stats_;
  proxy::Dispatcher dispatcher_;
  Host host_;
  int client_ = -1;
  std::shared_ptr<proxy::Session> session_;
};

/// `whole`: nothing but the client's bytes ended the connection.
void CheckAnswers(std::string_view output, const std::vector<Asked>& asked, const Broker& broker, bool whole) {
  std::size_t answers = 0, interim = 0, next_published = 0;
  bool closed = false;
  while (!output.empty()) {
    Require(!closed, "nothing follows an answer that closes: ", output);
    const PlainHead head = ReadPlainHead(output);
    output.remove_prefix(head.bytes);
    Require(head.start_line.substr(0, 9) == "HTTP/1.1 ", "a status line: ", head.start_line);
    const std::string_view status = head.start_line.substr(9, 3);
    if (status == "100") {
      ++interim;
      continue;
    }
    const bool known = answers < asked.size();
    ++answers;
    closed = FieldValue(head, "connection") == "close";
    const std::size_t length = std::strtoul(std::string(FieldValue(head, "content-length")).c_str(), nullptr, 10);
    const bool bodiless = status == "204" || status == "304" || (known && asked[answers - 1].method == "HEAD");
    const bool dubious = !known && output.empty();  // A refused HEAD; it is the last.
    const std::string_view body = output.substr(0, bodiless || dubious ? 0 : length);
    Require(bodiless || dubious || body.size() == length, "a body is whole: ", output);
    output.remove_prefix(body.size());
    const std::string index(FieldValue(head, "x-index"));
    if (index.empty()) {
      Require(status[0] >= '4' || status == "200", "an answer of the proxy's own: ", head.start_line);
      continue;
    }
    Require(known, "an answer to nothing");
    const std::size_t at = std::stoul(index);
    Require(at >= next_published && at < broker.published.size(), "answers come in the order of the requests");
    next_published = at + 1;
    const Asked& published = broker.published[at].asked;
    const Asked& wanted = asked[answers - 1];
    Require(published.method == wanted.method && published.path == wanted.path && published.body == wanted.body,
            "each request has its own answer: ", wanted.path);
    Require(bodiless || body == "body of " + index, "the answer's body: ", body);
  }
  Require(interim <= static_cast<std::size_t>(
                         std::count_if(asked.begin(), asked.end(), [](const Asked& a) { return a.expects; })) +
                         1,
          "100 for those who expect it");
  Require(answers <= asked.size() + 1, "one answer for each request, and one for what is none");
  Require(!whole || closed || answers >= asked.size(), "every request has an answer");
}

/// What was published is what was asked, in order, without anything else.
void CheckPublished(const std::vector<Asked>& asked, const Broker& broker) {
  std::size_t next = 0;
  for (const auto& message : broker.published) {
    const auto same = [&](const Asked& a) {
      return a.method == message.asked.method && a.path == message.asked.path && a.body == message.asked.body;
    };
    while (next < asked.size() && !same(asked[next])) ++next;
    Require(next++ < asked.size(), "a request that nobody sent: ", message.asked.method + " " + message.asked.path);
  }
}

}  // namespace

void Session(std::string_view bytes) {
  const Input input(bytes);
  Dice dice(input.seed);
  const wire::HeadLimits head_limits = input.seed % 8 == 7 ? wire::HeadLimits{300, 100, 8, 24} : wire::HeadLimits{};
  proxy::Limits limits(10, input.seed % 5 == 4 ? 2 : 100, 1u << 20);
  const bool drains = input.seed % 16 == 3, times_out = input.seed % 16 == 5;
  const std::string_view data = input.data.substr(0, input.data.size() / (drains || times_out ? 2 : 1));
  const std::vector<Asked> asked = ReadAll(data, head_limits);
  {
    Connection connection(head_limits, limits, dice);
    connection.Send(data);
    if (drains || times_out) connection.Interrupt(drains);
    connection.Shut();
    connection.Finish();
    CheckPublished(asked, connection.broker);
    CheckAnswers(connection.output, asked, connection.broker, !drains && !times_out);
  }
  Require(limits.requests.used() == 0, "no request is counted any more");
  Require(limits.bytes.used() == 0, "no byte is counted any more");
}

}  // namespace warren::fuzz
