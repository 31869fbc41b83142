// Link: one attempt after the other over the endpoints; pauses only after a whole round failed.
#include "shardmgr/broker/amqp/link.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <random>

namespace warren::amqp {
namespace {

using Clock = std::chrono::steady_clock;

// A connection that ends sooner than this counts as a failed attempt, so that a node which accepts
// and drops does not make us spin.
constexpr std::chrono::seconds kShortLife{1};

}  // namespace

class Link::Impl : public std::enable_shared_from_this<Link::Impl> {
 public:
  Impl(boost::asio::any_io_executor executor, LinkOptions options, LinkHandlers handlers)
      : executor_(executor), options_(std::move(options)), handlers_(std::move(handlers)), timer_(executor) {}

  void Attempt() {
    if (stopped_ || options_.endpoints.empty()) return;
    ConnectionOptions options = options_.connection;
    options.endpoint = options_.endpoints[next_ % options_.endpoints.size()];
    connection_ = Connection::Open(executor_, std::move(options), Handlers());
  }

  void Stop() {
    stopped_ = true;
    handlers_ = {};
    timer_.cancel();
    if (connection_ && open_) connection_->Close();
    connection_ = nullptr;
    open_ = false;
  }

  std::shared_ptr<Connection> connection() const { return open_ ? connection_ : nullptr; }
  const boost::asio::any_io_executor& executor() const { return executor_; }

 private:
  ConnectionHandlers Handlers() {
    const auto weak = weak_from_this();
    return {.on_open =
                [weak] {
                  if (const auto self = weak.lock()) self->OnOpen();
                },
            .on_closed =
                [weak](const Error& error) {
                  if (const auto self = weak.lock()) self->OnClosed(error);
                },
            .on_blocked =
                [weak](bool blocked, std::string_view reason) {
                  const auto self = weak.lock();
                  if (self && self->handlers_.on_blocked) self->handlers_.on_blocked(blocked, reason);
                }};
  }

  void OnOpen() {
    if (stopped_) return;
    open_ = true;
    opened_at_ = Clock::now();
    if (const auto on_up = handlers_.on_up) on_up(connection_);
  }

  void OnClosed(const Error& error) {
    if (stopped_) return;
    const bool was_up = std::exchange(open_, false);
    const Endpoint endpoint = connection_->endpoint();
    connection_ = nullptr;
    if (was_up && Clock::now() - opened_at_ >= kShortLife) {
      failures_ = 0;
      pause_ = options_.first_pause;
    }
    ++next_;
    ++failures_;
    if (const auto on_down = handlers_.on_down) on_down(endpoint, error, was_up);
    if (stopped_) return;
    // A long-lived connection to the only node is tried again at once, too: the first failure of a
    // round never waits when there is another endpoint or the last connection was a good one.
    const bool round_over = failures_ >= options_.endpoints.size() && !(was_up && failures_ == 1);
    if (round_over) {
      Pause();
    } else {
      Attempt();
    }
  }

  void Pause() {
    failures_ = 0;
    std::uniform_real_distribution<double> jitter(0.5, 1.0);
    timer_.expires_after(std::chrono::duration_cast<std::chrono::milliseconds>(pause_ * jitter(random_)));
    pause_ = std::min(pause_ * 2, options_.longest_pause);
    timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
      const auto self = weak.lock();
      if (self && !error) self->Attempt();
    });
  }

  boost::asio::any_io_executor executor_;
  const LinkOptions options_;
  LinkHandlers handlers_;
  boost::asio::steady_timer timer_;
  std::shared_ptr<Connection> connection_;
  bool open_ = false;
  bool stopped_ = false;
  std::size_t next_ = 0;
  std::size_t failures_ = 0;
  std::chrono::milliseconds pause_{options_.first_pause};
  Clock::time_point opened_at_;
  std::minstd_rand random_{std::random_device{}()};
};

Link::Link(boost::asio::any_io_executor executor, LinkOptions options, LinkHandlers handlers)
    : impl_(std::make_shared<Impl>(executor, std::move(options), std::move(handlers))) {}

Link::~Link() { impl_->Stop(); }

void Link::Start() {
  boost::asio::post(impl_->executor(), [impl = impl_] { impl->Attempt(); });
}

void Link::Stop() { impl_->Stop(); }

std::shared_ptr<Connection> Link::connection() const { return impl_->connection(); }

}  // namespace warren::amqp
