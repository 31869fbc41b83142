// See clerk.h.
#include "coordinator/api/clerk.h"

namespace warren::coordinator {
namespace {

constexpr std::size_t kMostJobs = 16;

}  // namespace

Clerk::~Clerk() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

bool Clerk::Take(std::function<void()> job) {
  const std::lock_guard lock(mutex_);
  if (jobs_.size() >= kMostJobs) return false;
  jobs_.push_back(std::move(job));
  wake_.notify_all();
  return true;
}

void Clerk::Work() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopped_ || !jobs_.empty(); });
    if (stopped_) return;
    const auto job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    lock.lock();
  }
}

}  // namespace warren::coordinator
