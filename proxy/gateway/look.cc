// One thread around the management client, and a timer.
#include "proxy/gateway/look.h"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include "proxy/gateway/look_pace.h"

namespace warren::gateway {
namespace {

using Clock = std::chrono::steady_clock;

Result<Sight> LookNow(const management::Client& client, const std::set<QueueKey>& inboxes) {
  const auto seen = client.ObserveQueues();
  if (!seen) return tl::unexpected(seen.error());
  Sight sight;
  sight.streams = std::make_shared<const StreamMap>(*seen);
  for (const Queue& queue : seen->queues) {
    if (!queue.exclusive) continue;
    QueueKey key(queue.vhost, queue.name);
    if (inboxes.contains(key)) sight.nodes.emplace(std::move(key), queue.node);
  }
  return sight;
}

}  // namespace

class Look::Impl : public std::enable_shared_from_this<Look::Impl> {
 public:
  Impl(boost::asio::any_io_executor executor, management::ClientOptions options, std::chrono::milliseconds refresh,
       Hooks hooks)
      : executor_(executor),
        timer_(executor),
        client_(std::move(options)),
        hooks_(std::move(hooks)),
        pace_(refresh, Clock::now()) {}

  void Arm() {
    if (stopped_ || looking_) return;
    timer_.expires_at(pace_.due());
    timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
      const auto self = weak.lock();
      if (self && !error) self->Begin();
    });
  }

  void Soon() {
    pace_.Event(Clock::now());
    Arm();
  }

  void Stop() {
    stopped_ = true;
    timer_.cancel();
    hooks_ = {};
  }

  void Join() {
    client_.Cancel();
    pool_.stop();
    pool_.join();
  }

 private:
  void Begin() {
    if (stopped_ || looking_) return;
    looking_ = true;
    boost::asio::post(pool_, [this, weak = weak_from_this(), inboxes = hooks_.inboxes(), began = Clock::now()] {
      auto sight = LookNow(client_, inboxes);  // Join comes before this object's end.
      boost::asio::post(executor_, [weak, began, sight = std::move(sight)]() mutable {
        if (const auto self = weak.lock()) self->End(began, std::move(sight));
      });
    });
  }

  void End(Clock::time_point began, Result<Sight> sight) {
    looking_ = false;
    if (stopped_) return;
    pace_.Looked(began, Clock::now(), sight.has_value());
    if (sight) {
      hooks_.on_sight(std::move(*sight));
    } else {
      hooks_.on_failure(sight.error());
    }
    Arm();
  }

  boost::asio::any_io_executor executor_;
  boost::asio::steady_timer timer_;
  management::Client client_;
  Hooks hooks_;
  LookPace pace_;
  bool looking_ = false, stopped_ = false;
  boost::asio::thread_pool pool_{1};
};

Look::Look(boost::asio::any_io_executor executor, management::ClientOptions options, std::chrono::milliseconds refresh,
           Hooks hooks)
    : impl_(std::make_shared<Impl>(std::move(executor), std::move(options), refresh, std::move(hooks))) {}
Look::~Look() {
  impl_->Stop();
  impl_->Join();
}
void Look::Start() { impl_->Arm(); }
void Look::Soon() { impl_->Soon(); }
void Look::Stop() { impl_->Stop(); }

}  // namespace warren::gateway
