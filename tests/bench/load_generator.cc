// A closed-loop HTTP/1.1 load generator: one thread, epoll, N keep-alive connections, each of which sends the same
// request again as soon as its answer is there. Checks the status and the length of every answer.
//
//   load_generator --port 8080 [--host 127.0.0.1] [--connections 32] [--path /bench] [--request-bytes 256]
//     [--body-bytes 512] [--status 200] [--warm-up 1] [--seconds 8] [--watch NAME=PID,PID…]… [--count NAME=FILE]…
//
// The request is a GET whose head has --request-bytes in all. Prints one line of JSON (measure.h); exit code 2 when
// there were errors.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <iostream>
#include <string_view>

#include "tests/bench/measure.h"

namespace warren::bench {
namespace {

constexpr int kSilenceMs = 15'000;  ///< Nothing from any connection for so long: the program gives up.
constexpr std::size_t kMaxErrors = 1'000;

struct Options {
  sockaddr_in address{};
  std::size_t connections = 0;
  std::string request;
  std::size_t body_bytes = 0;
  int status = 200;
};

std::string MakeRequest(const std::string& path, std::size_t bytes) {
  std::string head = "GET " + path + " HTTP/1.1\r\nHost: bench.example\r\nUser-Agent: warren-bench\r\nAccept: */*\r\n";
  constexpr std::string_view kPadding = "X-Padding: ";
  const std::size_t least = head.size() + kPadding.size() + 4;
  if (bytes > least) head.append(kPadding).append(bytes - least, 'x').append("\r\n");
  return head + "\r\n";
}

/// What an answer said; `bytes` is 0 while it is not whole.
struct Answer {
  std::size_t bytes = 0, body_bytes = 0;
  int status = 0;
  bool close = false;
  const char* fault = nullptr;
};

std::string_view FieldValue(std::string_view head, std::string_view name) {
  for (std::size_t at = head.find("\r\n"); at != std::string_view::npos; at = head.find("\r\n", at + 2)) {
    const auto line = head.substr(at + 2);
    if (line.size() <= name.size() || line[name.size()] != ':') continue;
    if (::strncasecmp(line.data(), name.data(), name.size()) != 0) continue;
    auto value = line.substr(name.size() + 1, line.find("\r\n") - name.size() - 1);
    while (value.starts_with(' ')) value.remove_prefix(1);
    return value;
  }
  return {};
}

Answer ReadAnswer(std::string_view bytes) {
  Answer answer;
  const auto end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) return answer;
  const auto head = bytes.substr(0, end + 2);
  if (!head.starts_with("HTTP/1.1 ") || head.size() < 12) {
    answer.fault = "not HTTP/1.1";
    return answer;
  }
  answer.status = (head[9] - '0') * 100 + (head[10] - '0') * 10 + (head[11] - '0');
  const auto length = FieldValue(head, "content-length");
  if (length.empty()) {
    answer.fault = "no Content-Length";
    return answer;
  }
  for (const char digit : length) answer.body_bytes = answer.body_bytes * 10 + static_cast<std::size_t>(digit - '0');
  answer.close = FieldValue(head, "connection").starts_with("close");
  if (bytes.size() >= end + 4 + answer.body_bytes) answer.bytes = end + 4 + answer.body_bytes;
  return answer;
}

class Generator {
 public:
  Generator(const Options& options, Measurement& measurement)
      : options_(options), measurement_(measurement), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    connections_.resize(options.connections);
    for (auto& connection : connections_) Connect(connection);
  }

  void Run() {
    std::array<epoll_event, 256> events{};
    for (auto now = Clock::now(); measurement_.Advance(now); now = Clock::now()) {
      const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), kSilenceMs);
      if (count == 0) Die("no answer on any of the connections for " + std::to_string(kSilenceMs / 1000) + " s");
      for (int index = 0; index < count; ++index) {
        Readable(*static_cast<Connection*>(events[static_cast<std::size_t>(index)].data.ptr));
      }
      if (errors_ > kMaxErrors) Die("too many errors, the last: " + last_error_);
    }
  }

  std::uint64_t errors() const { return errors_; }

 private:
  struct Connection {
    int socket = -1;
    Clock::time_point started;
    std::string partial;  ///< Bytes of an answer that is not whole yet.
  };

  void Connect(Connection& connection) {
    if (connection.socket >= 0) ::close(connection.socket);
    connection.partial.clear();
    connection.socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(connection.socket, reinterpret_cast<const sockaddr*>(&options_.address), sizeof options_.address) !=
        0) {
      Die(std::string("cannot connect: ") + std::strerror(errno));
    }
    const int on = 1;
    ::setsockopt(connection.socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &connection;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.socket, &event);
    Send(connection);
  }

  void Send(Connection& connection) {
    connection.started = Clock::now();
    const auto sent = ::send(connection.socket, options_.request.data(), options_.request.size(), MSG_NOSIGNAL);
    if (sent != static_cast<ssize_t>(options_.request.size())) Error("cannot send");
  }

  void Error(const std::string& what) {
    ++errors_;
    last_error_ = what;
    measurement_.CountError(what);
  }

  void Again(Connection& connection, const std::string& what) {
    Error(what);
    Connect(connection);
  }

  void Readable(Connection& connection) {
    const auto got = ::recv(connection.socket, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) return Again(connection, got == 0 ? "closed before the answer" : std::strerror(errno));
    std::string_view bytes(buffer_.data(), static_cast<std::size_t>(got));
    if (!connection.partial.empty()) bytes = connection.partial.append(bytes);
    const Answer answer = ReadAnswer(bytes);
    if (answer.fault != nullptr) return Again(connection, answer.fault);
    if (answer.bytes == 0) {
      if (connection.partial.empty()) connection.partial = bytes;
      return;
    }
    if (answer.bytes != bytes.size()) return Again(connection, "bytes behind the answer");
    if (answer.status != options_.status) {
      Error("status " + std::to_string(answer.status));
    } else if (answer.body_bytes != options_.body_bytes) {
      Error("a body of " + std::to_string(answer.body_bytes) + " bytes");
    } else {
      measurement_.Count(connection.started, Clock::now());
    }
    connection.partial.clear();
    answer.close ? Connect(connection) : Send(connection);
  }

  const Options& options_;
  Measurement& measurement_;
  const int epoll_;
  std::vector<Connection> connections_;
  std::array<char, 65'536> buffer_{};
  std::uint64_t errors_ = 0;
  std::string last_error_;
};

int Main(int argc, char** argv) {
  Arguments arguments(argc, argv);
  Options options;
  options.address.sin_family = AF_INET;
  options.address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(arguments.Required("port"))));
  const auto host = arguments.Text("host", "127.0.0.1");
  if (::inet_pton(AF_INET, host.c_str(), &options.address.sin_addr) != 1) Die("--host takes an IPv4 address");
  options.connections = static_cast<std::size_t>(arguments.Number("connections", 32));
  options.request =
      MakeRequest(arguments.Text("path", "/bench"), static_cast<std::size_t>(arguments.Number("request-bytes", 256)));
  options.body_bytes = static_cast<std::size_t>(arguments.Number("body-bytes", 512));
  options.status = static_cast<int>(arguments.Number("status", 200));
  const double warm_up_s = arguments.Seconds("warm-up", 1), window_s = arguments.Seconds("seconds", 8);
  CpuWatch watch(arguments, "load generator");
  arguments.RefuseUnknown();

  Measurement measurement(warm_up_s, window_s, watch);
  Generator generator(options, measurement);
  generator.Run();
  std::cout << measurement.Report().dump() << std::endl;
  return generator.errors() == 0 ? 0 : 2;
}

}  // namespace
}  // namespace warren::bench

int main(int argc, char** argv) { return warren::bench::Main(argc, argv); }
