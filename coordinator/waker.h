// Waker: what ends the loop's sleep: time, a request, a node that was lost, events, the end. Any thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "coordinator/burst.h"

namespace warren::coordinator {

class Waker {
 public:
  using Clock = std::chrono::steady_clock;

  /// Wakes the loop now.
  void Notify() {
    const std::lock_guard lock(mutex_);
    notified_ = true;
    wake_.notify_all();
  }
  /// Wakes the loop as Burst says.
  void Event() {
    const std::lock_guard lock(mutex_);
    burst_.Event(Clock::now());
    wake_.notify_all();
  }
  void Stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    wake_.notify_all();
  }
  bool stopped() const { return stopped_; }

  /// The cluster was looked at.
  void Looked(Clock::time_point began, Clock::time_point ended) {
    const std::lock_guard lock(mutex_);
    burst_.Looked(began, ended);
  }

  /// Returns when it is time to look again, at `deadline` at the latest.
  void SleepUntil(Clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    while (!stopped_ && !notified_) {
      const auto until = std::min(deadline, burst_.due().value_or(deadline));
      if (Clock::now() >= until) break;
      wake_.wait_until(lock, until);
    }
    notified_ = false;
  }
  /// Only Stop ends this one early.
  void Pause(Clock::duration duration) {
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, duration, [this] { return stopped_.load(); });
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  Burst burst_;
  bool notified_ = false;
  std::atomic<bool> stopped_{false};
};

}  // namespace warren::coordinator
