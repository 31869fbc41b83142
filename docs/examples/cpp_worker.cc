// A worker in C++: answers every request of stream shard.web with a greeting.
// Run it beside a broker at 127.0.0.1; WORKER_STREAM, WORKER_NODE and WORKER_MANAGEMENT say otherwise.
#include <cstdlib>

#include "proxy/worker/worker.h"

int main() {
  const auto setting = [](const char* name, const char* otherwise) -> std::string {
    const char* value = std::getenv(name);
    return value != nullptr ? value : otherwise;
  };
  warren::worker::WorkerOptions options;
  options.stream = setting("WORKER_STREAM", "shard.web");
  options.nodes = {warren::amqp::ParseEndpoint(setting("WORKER_NODE", "127.0.0.1:5672")).value()};
  options.management.urls = {setting("WORKER_MANAGEMENT", "http://127.0.0.1:15672")};
  return warren::worker::RunWorker(options,
                                   [](const warren::wire::Request& request, warren::worker::Responder responder) {
                                     warren::wire::Response response;
                                     response.fields = {{"content-type", "text/plain"}};
                                     response.body = "hello, " + request.target + "\n";
                                     responder.Answer(std::move(response));
                                   });
}
