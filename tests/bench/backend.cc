// The application of the benchmarks: an HTTP/1.1 back end on one thread with epoll that answers every request with the
// same body. Takes requests without a body only; keeps connections open; prints its port.
//
//   backend [--port 0] [--body-bytes 512]
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <iostream>
#include <string_view>
#include <unordered_map>

#include "tests/bench/measure.h"

namespace warren::bench {
namespace {

class Backend {
 public:
  Backend(std::uint16_t port, std::size_t body_bytes) : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    answer_ =
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: " + std::to_string(body_bytes) +
        "\r\n\r\n" + std::string(body_bytes, 'b');
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener_, 1'024) != 0) {
      Die("cannot listen on 127.0.0.1:" + std::to_string(port));
    }
    socklen_t size = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    Watch(listener_);
  }

  std::uint16_t port() const { return port_; }

  [[noreturn]] void Run() {
    std::array<epoll_event, 256> events{};
    while (true) {
      const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      for (int index = 0; index < count; ++index) {
        const int socket = events[static_cast<std::size_t>(index)].data.fd;
        socket == listener_ ? Accept() : Readable(socket);
      }
    }
  }

 private:
  void Watch(int socket) const {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = socket;
    ::epoll_ctl(epoll_, EPOLL_CTL_ADD, socket, &event);
  }

  void Accept() const {
    for (int socket; (socket = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
      const int on = 1;
      ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      Watch(socket);
    }
  }

  void Readable(int socket) {
    const auto got = ::recv(socket, buffer_.data(), buffer_.size(), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) return Close(socket);
    std::string_view bytes(buffer_.data(), static_cast<std::size_t>(got));
    const auto partial = partial_.find(socket);
    if (partial != partial_.end()) bytes = partial->second.append(bytes);
    for (std::size_t end; (end = bytes.find("\r\n\r\n")) != std::string_view::npos; bytes.remove_prefix(end + 4)) {
      if (::send(socket, answer_.data(), answer_.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(answer_.size())) {
        return Close(socket);
      }
    }
    if (!bytes.empty()) {
      std::string rest(bytes);
      partial_[socket] = std::move(rest);
    } else if (partial != partial_.end()) {
      partial_.erase(partial);
    }
  }

  void Close(int socket) {
    partial_.erase(socket);
    ::close(socket);
  }

  const int epoll_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::string answer_;
  std::array<char, 65'536> buffer_{};
  std::unordered_map<int, std::string> partial_;  ///< Requests that are not whole yet; rare.
};

}  // namespace
}  // namespace warren::bench

int main(int argc, char** argv) {
  warren::bench::Arguments arguments(argc, argv);
  const auto port = static_cast<std::uint16_t>(arguments.Number("port", 0));
  const auto body_bytes = static_cast<std::size_t>(arguments.Number("body-bytes", 512));
  arguments.RefuseUnknown();
  warren::bench::Backend backend(port, body_bytes);
  std::cout << backend.port() << std::endl;
  backend.Run();
}
