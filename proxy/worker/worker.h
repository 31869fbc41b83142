// Worker: takes HTTP requests from the shards of one stream, as many at a time as it can work on,
// and sends back what a handler answers. A C++ program links warren_worker and gives a callback;
// warren-worker is one whose callback asks an HTTP application. docs/wire.md has the rules.
//
// It keeps one AMQP connection (over several nodes), and consumes what a coordinator assigns to it. Without one it
// finds out which node that is, and consumes the shards of that node and those that nobody covers. What the handler
// does is left to the handler.
//
// Threads: construct and call on one executor that runs one handler at a time; the Handler is
// called there and must not block. Responders may be used from any thread; readiness() too.
#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "policies/error.h"
#include "proxy/wire/message.h"
#include "shardmgr/broker/amqp/types.h"
#include "shardmgr/broker/management/client.h"
#include "shardmgr/program/admin_server.h"

namespace prometheus {
class Registry;
}

namespace warren::worker {

struct WorkerOptions {
  std::string stream;  ///< The sharded exchange.
  std::string vhost = "/";
  std::vector<amqp::Endpoint> nodes = {{"127.0.0.1", 5672}};
  amqp::Credentials credentials;
  std::string tls_ca_file;
  /// For when no coordinator assigns. Without it only the shards of `local_node` are covered then.
  bool use_management = true;
  management::ClientOptions management;
  std::string local_node;                    ///< The node at `nodes`, when it is known; else it is found out.
  std::string instance;                      ///< Unique name of this worker; empty: one is made up.
  unsigned concurrency = 16;                 ///< Requests handled at once, over all shards; at least 1.
  std::chrono::milliseconds refresh{1'000};  ///< Between looks at who consumes which shard; jittered.
  /// Without a coordinator and the management API: how often an idle shard is let go of for a while (coverage_rule.h);
  /// 0: never.
  std::chrono::milliseconds yield_every{300'000};
  /// After this much work on a request the proxy is told where to cancel it; 0: never.
  std::chrono::milliseconds accept_after{250};
};

/// The way of answers to the worker's executor, shut when the worker ends: from then on answers go nowhere.
class AnswerGate : public std::enable_shared_from_this<AnswerGate> {
 public:
  using Finish = std::function<void(std::uint64_t number, wire::Response response)>;
  AnswerGate(boost::asio::any_io_executor executor, Finish finish)
      : executor_(std::move(executor)), finish_(std::move(finish)) {}

  /// Finishes job `number` on the executor later, or never. From any thread.
  void Post(std::uint64_t number, wire::Response response);
  /// Finishes it now. On the executor.
  void Pass(std::uint64_t number, wire::Response response) const { finish_(number, std::move(response)); }
  /// When it returns, no Post uses the executor any more. From any thread.
  void Shut();

 private:
  std::mutex mutex_;
  bool open_ = true;
  boost::asio::any_io_executor executor_;
  const Finish finish_;
};

/// The one answer to one request. Dropped without Answer() it answers 500: the request may have had
/// effects, so it is not run again. It may outlive the Worker, its executor and RunWorker: then its answer is dropped.
class Responder {
 public:
  /// What a responder and the worker share about a job.
  struct State {
    std::shared_ptr<AnswerGate> gate;
    std::uint64_t number = 0;
    wire::Request request;
    std::atomic<bool> cancelled{false};
    std::function<void()> on_cancel = {};  ///< On the executor alone.
  };
  explicit Responder(std::shared_ptr<State> state) : state_(std::move(state)) {}
  ~Responder();
  Responder(Responder&&) noexcept;
  Responder& operator=(Responder&&) noexcept;

  /// The request; valid until Answer.
  const wire::Request& request() const;
  /// Sends the answer; :node, :shard, :worker and times are filled in. From any thread, once; more are ignored.
  void Answer(wire::Response response);
  /// As Answer, without waiting for a turn of the executor: only there, and not before the Handler has returned.
  void AnswerHere(wire::Response response);

  /// True once nobody waits for the answer any more: the client has gone, or has its answer from elsewhere. Work
  /// may be given up; whatever is answered is dropped. From any thread; false once answered.
  bool cancelled() const;
  /// Calls `call` on the worker's executor, at most once, when cancelled() becomes true (docs/wire.md, "Long work").
  /// Set it on the executor, as in the Handler; it may still come while an answer from another thread is on its way.
  void OnCancel(std::function<void()> call);

 private:
  std::shared_ptr<State> state_;
};

/// Works on one request. The reference holds until the responder is answered or dropped. What it
/// throws is answered with 500.
using Handler = std::function<void(const wire::Request& request, Responder responder)>;

/// Destroy it before the io_context of its executor.
class Worker {
 public:
  Worker(boost::asio::any_io_executor executor, WorkerOptions options, Handler handler, prometheus::Registry& registry);
  ~Worker();

  void Start();
  /// False stops consuming (what is held is worked on) until true; for when the handler cannot work.
  void SetAccepting(bool accepting);
  /// Stops consuming; `done` once everything held is answered, or `longest` has passed.
  void Drain(std::chrono::milliseconds longest, std::function<void()> done);
  /// Closes the connection: the broker requeues what is unanswered. `done` once the broker has read all that was sent
  /// to it, or after 2 s; not at all when the worker is destroyed before.
  void Stop(std::function<void()> done = {});

  /// Whether it is connected and consumes at least one shard; else why not. From any thread.
  program::Readiness readiness() const;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

/// A whole worker program: runs `handler` until SIGTERM or SIGINT, drains, and returns the exit code.
int RunWorker(WorkerOptions options, Handler handler);

}  // namespace warren::worker
