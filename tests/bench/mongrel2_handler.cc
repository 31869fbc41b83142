// A handler for Mongrel2 that answers every request with the same body: the counterpart of worker and application
// together.
//
//   mongrel2_handler --requests tcp://127.0.0.1:P1 --responses tcp://127.0.0.1:P2 [--body-bytes 512]
//
// Mongrel2 pushes "SENDER CONNECTION PATH LENGTH:HEADERS,LENGTH:BODY," and takes "SENDER LENGTH:CONNECTION, RESPONSE"
// on a publish/subscribe socket. One thread, no state.
#include <zmq.h>

#include <array>
#include <iostream>

#include "tests/bench/measure.h"

namespace warren::bench {
namespace {

void* Connect(void* context, int kind, const std::string& address) {
  void* socket = ::zmq_socket(context, kind);
  const int unlimited = 0;
  ::zmq_setsockopt(socket, ZMQ_RCVHWM, &unlimited, sizeof unlimited);
  ::zmq_setsockopt(socket, ZMQ_SNDHWM, &unlimited, sizeof unlimited);
  if (::zmq_connect(socket, address.c_str()) != 0) Die("cannot connect to " + address + ": " + ::zmq_strerror(errno));
  return socket;
}

[[noreturn]] void Serve(void* requests, void* responses, const std::string& answer) {
  std::array<char, 65'536> buffer{};
  std::string message;
  while (true) {
    const int bytes = ::zmq_recv(requests, buffer.data(), buffer.size(), 0);
    if (bytes < 0) Die(std::string("cannot receive: ") + ::zmq_strerror(errno));
    const std::string_view request(buffer.data(), std::min(static_cast<std::size_t>(bytes), buffer.size()));
    const auto first = request.find(' '), second = request.find(' ', first + 1);
    if (second == std::string_view::npos) Die("not a request of Mongrel2");
    const auto sender = request.substr(0, first), connection = request.substr(first + 1, second - first - 1);
    if (request.substr(second + 1).starts_with("@*")) continue;  // The client went away.
    message.assign(sender).append(" ").append(std::to_string(connection.size())).append(":");
    message.append(connection).append(", ").append(answer);
    if (::zmq_send(responses, message.data(), message.size(), 0) < 0) {
      Die(std::string("cannot send: ") + ::zmq_strerror(errno));
    }
  }
}

}  // namespace
}  // namespace warren::bench

int main(int argc, char** argv) {
  warren::bench::Arguments arguments(argc, argv);
  const auto requests = arguments.Required("requests"), responses = arguments.Required("responses");
  const auto body_bytes = static_cast<std::size_t>(arguments.Number("body-bytes", 512));
  arguments.RefuseUnknown();
  void* context = ::zmq_ctx_new();
  std::cout << "ready" << std::endl;
  warren::bench::Serve(
      warren::bench::Connect(context, ZMQ_PULL, requests), warren::bench::Connect(context, ZMQ_PUB, responses),
      "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: " + std::to_string(body_bytes) +
          "\r\n\r\n" + std::string(body_bytes, 'b'));
}
