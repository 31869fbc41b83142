// See server.h. The only file here that includes cpprestsdk.
#include "coordinator/api/server.h"

#include <cpprest/http_listener.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "shardmgr/program/logging.h"

namespace warren::coordinator {
namespace {

namespace http = web::http;
using http::experimental::listener::http_listener;

/// The path as the client sent it, or empty when it is no URI at all.
std::string PathOf(const http::http_request& request) {
  try {
    const std::string path = request.request_uri().path();
    return path.empty() ? "/" : path;
  } catch (const std::exception&) {
    return {};
  }
}

/// The query as the client sent it.
std::string QueryOf(const http::http_request& request) { return request.request_uri().query(); }

/// The header's value; empty when it is not there.
std::string Header(const http::http_request& request, const char* name) {
  const auto found = request.headers().find(name);
  return found == request.headers().end() ? std::string() : found->second;
}

/// A page in a browser on this machine can reach a loopback address, by a name of its own or from its own origin. It
/// can forge neither header.
bool IsForUs(const http::http_request& request) {
  const std::string host = Header(request, "Host");
  const std::string origin = Header(request, "Origin");
  const bool loopback =
      host.empty() || host.starts_with("127.") || host.starts_with("localhost") || host.starts_with("[::1]");
  const std::string name = host.substr(0, host.rfind(':'));
  const bool named = name.find_first_not_of("0123456789.") == std::string::npos || name == "localhost" ||
                     name == "[::1]" || host == "[::1]";
  return loopback && named && (origin.empty() || origin == "http://" + host);
}

void Reply(const http::http_request& request, const ApiResponse& answer) {
  http::http_response response(static_cast<http::status_code>(answer.status));
  response.set_body(answer.body, answer.content_type);
  if (!answer.allow.empty()) response.headers().add("Allow", answer.allow);
  response.headers().add("Cache-Control", "no-store");
  // The client may be gone: nobody is left to tell.
  request.reply(response).then([](pplx::task<void> done) {
    try {
      done.get();
    } catch (const std::exception&) {
    }
  });
}

/// Answers that block for the broker are given here, one behind the other, so that no thread of the listener's
/// waits with them. Bounded in number, and each in time.
class Clerk {
 public:
  Clerk() : thread_([this] { Work(); }) {}
  ~Clerk() {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }

  /// False: too many wait already.
  bool Take(std::function<void()> job) {
    const std::lock_guard lock(mutex_);
    if (jobs_.size() >= kMostJobs) return false;
    jobs_.push_back(std::move(job));
    wake_.notify_all();
    return true;
  }

 private:
  static constexpr std::size_t kMostJobs = 16;

  void Work() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return stopped_ || !jobs_.empty(); });
      if (stopped_) return;
      const auto job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      try {
        job();
      } catch (const std::exception& error) {  // The listener closed meanwhile and has answered itself.
        program::Log(program::LogLevel::kDebug, "an answer of the REST API came too late", {{"error", error.what()}});
      }
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace

class ApiServer::Impl {
 public:
  Impl(const std::string& url, std::function<ApiContext()> context) : listener_(url), context_(std::move(context)) {}

  ~Impl() {
    try {
      listener_.close().wait();
    } catch (const std::exception&) {
    }
  }

  Result<void> Open() {
    const auto handle = [this](const http::http_request& request) { Handle(request); };
    listener_.support(handle);
    listener_.support(http::methods::OPTIONS, handle);  // cpprestsdk would answer these two by itself.
    listener_.support(http::methods::TRCE, handle);
    try {
      listener_.open().wait();
    } catch (const std::exception& error) {
      return Fail(ErrorCode::kConfiguration,
                  std::string("cannot listen (") + error.what() + "); give another --listen");
    }
    return {};
  }

 private:
  void Handle(const http::http_request& request) {
    try {
      if (!IsForUs(request)) {
        return Reply(request, Problem(403, "Forbidden",
                                      "the request was made for another host, or by a page of another "
                                      "origin; use a loopback address"));
      }
      const ApiResponse answer = Route(context_(), request.method(), PathOf(request), QueryOf(request));
      if (!answer.later) return Reply(request, answer);
      if (!clerk_.Take([request, later = answer.later] { Reply(request, later()); }))
        Reply(request, Problem(503, "Service Unavailable", "too many requests wait for the broker; try again"));
    } catch (const std::exception& error) {
      program::Log(program::LogLevel::kError, "a request of the REST API could not be answered",
                   {{"error", error.what()}});
      http::http_request(request)._reply_if_not_already(http::status_codes::InternalError);
    }
  }

  http_listener listener_;
  std::function<ApiContext()> context_;
  Clerk clerk_;
};

ApiServer::ApiServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ApiServer::~ApiServer() = default;

Result<std::unique_ptr<ApiServer>> ApiServer::Start(const program::Address& address,
                                                    std::function<ApiContext()> context) {
  const auto refuse = [&](const char* why) {
    return Fail(ErrorCode::kConfiguration, why, "--listen " + address.ToString());
  };
  if (!address.is_loopback()) {
    return refuse(
        "the REST API has no authentication and listens on a loopback address alone, such as 127.0.0.1:15680");
  }
  if (address.port == 0) return refuse("needs a port, such as 127.0.0.1:15680");
  const std::string url = "http://" + address.ToString();
  auto impl = std::make_unique<Impl>(url + "/", std::move(context));
  if (auto opened = impl->Open(); !opened)
    return tl::unexpected(opened.error().Within("--listen " + address.ToString()));
  program::Log(program::LogLevel::kInfo, "REST API", {{"address", url + "/api/v1"}});
  return std::unique_ptr<ApiServer>(new ApiServer(std::move(impl)));
}

}  // namespace warren::coordinator
