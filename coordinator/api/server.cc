// See server.h.
#include "coordinator/api/server.h"

#include <thread>

#include "coordinator/api/session.h"
#include "shardmgr/program/acceptor.h"
#include "shardmgr/program/logging.h"

namespace warren::coordinator {

class ApiServer::Impl {
 public:
  Impl(Access access, std::function<ApiContext()> context)
      : access_(std::move(access)),
        context_(std::move(context)),
        site_(
            std::make_shared<ApiSite>(ApiSite{[this](const ApiRequest& request) { return Answer(request); }, &clerk_})),
        acceptor_(io_, [this](program::Acceptor::Socket socket) { ServeApi(std::move(socket), site_); }) {}

  ~Impl() {
    io_.stop();
    if (thread_.joinable()) thread_.join();
  }

  Result<program::Address> Listen(const program::Address& wanted) {
    auto address = acceptor_.Listen(wanted, "--listen");
    if (address) thread_ = std::thread([this] { io_.run(); });
    return address;
  }

 private:
  ApiResponse Answer(const ApiRequest& request) const {
    ApiContext context = context_();
    context.access = access_;
    return Route(context, request);
  }

  const Access access_;
  const std::function<ApiContext()> context_;
  boost::asio::io_context io_{1};
  Clerk clerk_;  // Ends before io_: what it still does answers there.
  std::shared_ptr<ApiSite> site_;
  program::Acceptor acceptor_;
  std::thread thread_;
};

ApiServer::ApiServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ApiServer::~ApiServer() = default;

Result<std::unique_ptr<ApiServer>> ApiServer::Start(const program::Address& address, Access access,
                                                    std::function<ApiContext()> context) {
  const bool secret = !access.token.empty();
  if (secret) {
    if (auto fit = CheckToken(access.token); !fit) return tl::unexpected(fit.error().Within("--token-file"));
  } else if (!address.is_loopback()) {
    return Fail(ErrorCode::kConfiguration,
                "without a token the REST API listens on a loopback address alone, such as 127.0.0.1:15680; give "
                "--token-file for others",
                "--listen " + address.ToString());
  }
  auto impl = std::make_unique<Impl>(std::move(access), std::move(context));
  const auto listening = impl->Listen(address);
  if (!listening) return tl::unexpected(listening.error().Within("--listen"));
  program::Log(program::LogLevel::kInfo, "REST API",
               {{"address", "http://" + listening->ToString() + "/api/v1"}, {"token", secret ? "needed" : "none"}});
  return std::unique_ptr<ApiServer>(new ApiServer(std::move(impl)));
}

}  // namespace warren::coordinator
