// See inbox_finder.h.
#include "coordinator/inbox_finder.h"

#include <boost/asio/post.hpp>
#include <utility>

namespace warren::coordinator {
namespace {

constexpr std::size_t kThreads = 3;
constexpr std::chrono::milliseconds kTimeout{2'000};

management::ClientOptions Quick(management::ClientOptions options) {
  options.timeout = kTimeout;
  return options;
}

}  // namespace

InboxFinder::InboxFinder(boost::asio::any_io_executor executor, management::ClientOptions options)
    : executor_(std::move(executor)), client_(Quick(std::move(options))), threads_(kThreads) {}

InboxFinder::~InboxFinder() {
  *alive_ = false;
  threads_.stop();
  client_.Cancel();
  threads_.join();
}

void InboxFinder::Ask(const std::string& vhost, const std::string& queue,
                      std::function<void(const Result<Queue>&)> done) {
  ++asked_;
  boost::asio::post(threads_, [this, vhost, queue, done = std::move(done)]() mutable {
    auto found = client_.GetQueue(vhost, queue);
    boost::asio::post(executor_, [this, alive = alive_, found = std::move(found), done = std::move(done)] {
      if (!*alive) return;
      --asked_;
      done(found);
    });
  });
}

}  // namespace warren::coordinator
