// See node_link.h. A Link has a fixed list of endpoints: another list makes another Link.
#include "coordinator/node_link.h"

#include <algorithm>
#include <boost/asio/post.hpp>

namespace warren::coordinator {
namespace {

constexpr std::chrono::seconds kHandshakeTimeout{3};  // A node that hangs must not hold up the way to the next one.

}  // namespace

bool IsDenied(const Error& error) {
  if (error.message.find("connection limit") != std::string::npos) return false;
  return error.code == ErrorCode::kForbidden || error.code == ErrorCode::kUnauthorized;
}

class NodeLink::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(boost::asio::any_io_executor executor, NodeLinkOptions options, amqp::LinkHandlers handlers)
      : executor_(std::move(executor)), options_(std::move(options)), handlers_(std::move(handlers)) {}

  void SetEndpoints(std::vector<amqp::Endpoint> endpoints) {
    const bool same = std::is_permutation(endpoints.begin(), endpoints.end(), endpoints_.begin(), endpoints_.end());
    if (same) return;  // Their order is ours: Reconnect changes it.
    endpoints_ = std::move(endpoints);
    const auto open = connection();
    const auto here = [&](const amqp::Endpoint& endpoint) { return open->endpoint() == endpoint; };
    // A good connection stays; the list is news for the next.
    if (open && std::any_of(endpoints_.begin(), endpoints_.end(), here)) return;
    if (open) {
      const Error gone{ErrorCode::kUnavailable, "it is none of the running nodes now", {}};
      if (const auto on_down = handlers_.on_down) on_down(open->endpoint(), gone, true);
    }
    Relink();
  }

  void Reconnect() {
    if (endpoints_.size() > 1) std::rotate(endpoints_.begin(), endpoints_.begin() + 1, endpoints_.end());
    Relink();
  }

  void Stop() {
    handlers_ = {};
    endpoints_.clear();
    link_.reset();
  }

  std::shared_ptr<amqp::Connection> connection() const { return link_ ? link_->connection() : nullptr; }

 private:
  void Relink() {
    link_.reset();
    linked_ = endpoints_;
    if (endpoints_.empty()) return;
    amqp::LinkOptions options;
    options.endpoints = endpoints_;
    options.connection.credentials = options_.credentials;
    options.connection.vhost = options_.vhost;
    options.connection.name = options_.name;
    options.connection.max_message_bytes = options_.max_message_bytes;
    options.connection.tls_ca_file = options_.tls_ca_file;
    options.connection.heartbeat = kLinkHeartbeat;
    options.connection.handshake_timeout = kHandshakeTimeout;
    options.longest_pause = options_.longest_pause;
    link_ = std::make_unique<amqp::Link>(
        executor_, std::move(options),
        amqp::LinkHandlers{.on_up =
                               [this](const std::shared_ptr<amqp::Connection>& connection) {
                                 if (const auto on_up = handlers_.on_up) on_up(connection);
                               },
                           .on_down = [this](const amqp::Endpoint& endpoint, const Error& error,
                                             bool was_up) { Down(endpoint, error, was_up); },
                           .on_blocked = {}});
    link_->Start();
  }

  void Down(const amqp::Endpoint& endpoint, const Error& error, bool was_up) {
    if (const auto on_down = handlers_.on_down) on_down(endpoint, error, was_up);
    if (linked_ == endpoints_) return;
    // Not from within: the link is calling.
    boost::asio::post(executor_, [self = shared_from_this()] {
      if (self->linked_ != self->endpoints_) self->Relink();
    });
  }

  boost::asio::any_io_executor executor_;
  const NodeLinkOptions options_;
  amqp::LinkHandlers handlers_;
  std::vector<amqp::Endpoint> endpoints_, linked_;
  std::unique_ptr<amqp::Link> link_;
};

NodeLink::NodeLink(boost::asio::any_io_executor executor, NodeLinkOptions options, amqp::LinkHandlers handlers)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(options), std::move(handlers))) {}
NodeLink::~NodeLink() { impl_->Stop(); }
void NodeLink::SetEndpoints(std::vector<amqp::Endpoint> endpoints) { impl_->SetEndpoints(std::move(endpoints)); }
void NodeLink::Reconnect() { impl_->Reconnect(); }
void NodeLink::Stop() { impl_->Stop(); }
std::shared_ptr<amqp::Connection> NodeLink::connection() const { return impl_->connection(); }

}  // namespace warren::coordinator
