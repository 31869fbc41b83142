// See server.h. The only file here that includes cpprestsdk.
#include "coordinator/api/server.h"

#include <cpprest/http_listener.h>

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
      Reply(request, Route(context_(), request.method(), PathOf(request)));
    } catch (const std::exception& error) {
      program::Log(program::LogLevel::kError, "a request of the REST API could not be answered",
                   {{"error", error.what()}});
    }
  }

  http_listener listener_;
  std::function<ApiContext()> context_;
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
